package main

import (
	"errors"
	"log/slog"
	"os"
	"runtime"
	"strconv"
	"syscall"

	"notyet/admin"
	"notyet/config"
)

// readToken reads the token that clients of the admin API have to know; without a path there is none.
func readToken(path string, log *slog.Logger) (string, error) {
	if path == "" {
		return "", nil
	}
	token, err := admin.ReadToken(path)
	var cause syscall.Errno
	switch {
	case errors.As(err, &cause):
		return "", unread("admin_token_file", path, cause, "write a token into it, such as openssl rand -hex 32 prints")
	case err != nil:
		return "", config.Fault{Key: "admin_token_file", Value: strconv.Quote(path), Remedy: err.Error()}
	}
	if info, err := os.Stat(path); err == nil && runtime.GOOS != "windows" && info.Mode().Perm()&0o007 != 0 {
		log.Warn("every user of this machine can read the admin token", "file", path, "remedy", "chmod o= "+path)
	}
	return token, nil
}
