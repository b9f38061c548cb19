package admin

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
)

// minToken is how short a token may be, in bytes: 16 characters of base64 are 96 bits.
const minToken = 16

// ReadToken reads the token that clients of the API have to know: all that its file has apart from blanks around it. The
// error does not name the path, and never shows what is in the file.
func ReadToken(path string) (string, error) {
	const most = 4 << 10 // bytes; longer than a request's header would take
	text, err := readFile(path, most+1)
	if err != nil {
		var cause *fs.PathError
		if errors.As(err, &cause) {
			err = cause.Err
		}
		return "", err
	}
	token := strings.TrimSpace(text)
	switch {
	case len(text) > most || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }):
		return "", errors.New("write one line without blanks into it, such as openssl rand -hex 32 prints")
	case len(token) < minToken:
		return "", fmt.Errorf("write at least %d characters into it, such as openssl rand -hex 32 prints", minToken)
	}
	return token, nil
}

// readFile reads no more than most bytes, whatever the file is.
func readFile(path string, most int64) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, most))
	return string(text), err
}
