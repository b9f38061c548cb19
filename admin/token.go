package admin

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// ReadToken reads the token that requests have to show, which is all that its file has apart from space around it.
// The error names the file.
func ReadToken(path string) (string, error) {
	const most = 4 << 10 // bytes; more does not fit a header with room to spare
	data, err := readFile(path, most+1)
	if err != nil {
		var cause *fs.PathError
		if errors.As(err, &cause) {
			err = cause.Err
		}
		return "", fmt.Errorf("token file %s: %w", path, err)
	}
	token := bytes.TrimSpace(data)
	switch {
	case len(token) == 0:
		return "", fmt.Errorf("token file %s: write the token into it: it is empty", path)
	case len(data) > most:
		return "", fmt.Errorf("token file %s: write a shorter token: at most %d bytes", path, most)
	case bytes.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }):
		return "", fmt.Errorf("token file %s: write one token of letters, digits and signs, on one line", path)
	}
	return string(token), nil
}

// readFile reads no more than most bytes, whatever the file is.
func readFile(path string, most int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, most))
}
