package admin

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
)

// listen binds an address; a wildcard is one of its own family alone. A Unix socket that nobody listens on any more is taken over.
func listen(ctx context.Context, address string) (net.Listener, error) {
	var config net.ListenConfig
	path, unix := strings.CutPrefix(address, "unix://")
	if !unix {
		return config.Listen(ctx, network(address), address)
	}
	l, err := config.Listen(ctx, "unix", path)
	if errors.Is(err, syscall.EADDRINUSE) && stale(ctx, path) {
		if err := os.Remove(path); err != nil {
			return nil, err
		}
		l, err = config.Listen(ctx, "unix", path)
	}
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o660); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// network names TCP with the family of an address, which is what keeps a wildcard from taking the other family. The address of
// localhost is the system's to say.
func network(address string) string {
	addr, err := netip.ParseAddrPort(address)
	switch {
	case err != nil:
		return "tcp"
	case addr.Addr().Unmap().Is4():
		return "tcp4"
	}
	return "tcp6"
}

// stale reports whether path is a Unix socket that nobody listens on; any other file is somebody's.
func stale(ctx context.Context, path string) bool {
	if info, err := os.Lstat(path); err != nil || info.Mode().Type() != fs.ModeSocket {
		return false
	}
	dialer := net.Dialer{Timeout: readTimeout}
	c, err := dialer.DialContext(ctx, "unix", path)
	if err == nil {
		c.Close()
	}
	return errors.Is(err, syscall.ECONNREFUSED) // not when it is too busy, or not ours to ask
}

// bindError says what to do about an address that could not be bound.
func bindError(address string, err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		err = op.Err // the address is said here
	}
	remedy := ""
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		remedy = `; choose another address with --admin, or turn it off with --admin ""`
	case errors.Is(err, fs.ErrPermission):
		remedy = "; choose an address that this user may bind with --admin"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		remedy = "; no interface of this machine has that address, so choose another with --admin"
	case errors.Is(err, fs.ErrNotExist):
		remedy = "; make the directory, or choose another path with --admin"
	}
	return fmt.Errorf("listen on admin %s: %w%s", address, err, remedy)
}
