package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"runtime"
	"strings"
)

// minToken is how short a token may be, in bytes: 16 characters of base64 are 96 bits.
const minToken = 16

// readToken reads the token that clients of the admin API have to know; without a path there is none.
func readToken(path string, log *slog.Logger) (string, error) {
	const most = 4 << 10 // bytes; longer than a request's header would take
	if path == "" {
		return "", nil
	}
	f, err := os.Open(path)
	if err != nil {
		var cause *fs.PathError
		if errors.As(err, &cause) {
			err = cause.Err
		}
		return "", fmt.Errorf("admin_token_file %q: %w", path, err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, most+1))
	if err != nil {
		return "", fmt.Errorf("admin_token_file %q: %w", path, err)
	}
	token := strings.TrimSpace(string(text))
	switch {
	case len(text) > most || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }):
		return "", fmt.Errorf("admin_token_file %q: write one line without blanks into it, such as openssl rand -hex 32 prints", path)
	case len(token) < minToken:
		return "", fmt.Errorf("admin_token_file %q: write at least %d characters into it, such as openssl rand -hex 32 prints", path, minToken)
	}
	if info, err := f.Stat(); err == nil && runtime.GOOS != "windows" && info.Mode().Perm()&0o007 != 0 {
		log.Warn("every user of this machine can read the admin token", "file", path, "remedy", "chmod o= "+path)
	}
	return token, nil
}
