package config

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"
)

// readTime is how long the other end of a pipe has to write a file: programs that fetch secrets take seconds.
const readTime = 30 * time.Second

// mostRead is how long a file may be, in bytes: the largest configuration is far from it, and a device has no end.
const mostRead = 16 << 20

// ReadFile is os.ReadFile for a file of at most 16 MiB. Of pipes one that the shell has opened, as for <(command), is read for at
// most 30 s, and one by its name is refused, since opening it could take forever.
func ReadFile(path string) ([]byte, error) { return readFileFor(path, readTime) }

func readFileFor(path string, most time.Duration) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil || info.Mode().IsRegular():
		return readAll(path)
	case info.Mode()&fs.ModeNamedPipe != 0 && !isOpen(path):
		return nil, unreadable(path, "write it into a regular file, or name /dev/stdin: this is a pipe, whose other end may never come")
	}
	type result struct {
		data []byte
		err  error
	}
	read := make(chan result, 1)
	go func() { // it is left behind when the time is up: nothing else ends the reading of a terminal
		data, err := readAll(path)
		read <- result{data, err}
	}()
	late := time.NewTimer(most)
	defer late.Stop()
	select {
	case r := <-read:
		return r.data, r.err
	case <-late.C:
		return nil, unreadable(path, "whoever writes it has not come to an end after "+most.String())
	}
}

func readAll(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, mostRead+1))
	if err == nil && len(data) > mostRead {
		err = unreadable(path, "name a smaller file: this one has more than 16 MiB")
	}
	if err != nil {
		return nil, err
	}
	return data, nil
}

func unreadable(path, why string) error {
	return &fs.PathError{Op: "read", Path: path, Err: errors.New(why)}
}

// ReadsOnce reports whether what is read from the path is gone then, as it is no file, or one that was opened before.
func ReadsOnce(path string) bool {
	info, err := os.Stat(path)
	return isOpen(path) || err == nil && !info.Mode().IsRegular()
}

// isOpen reports whether the path is that of what this process was started with: its other end is there.
func isOpen(path string) bool {
	return path == "/dev/stdin" || strings.HasPrefix(path, "/dev/fd/") || strings.HasPrefix(path, "/proc/self/fd/")
}
