package admin

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

// socketPath is a path short enough for a Unix socket.
func socketPath(t *testing.T) string {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("no Unix socket with a mode")
	}
	dir, err := os.MkdirTemp("", "admin")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return filepath.Join(dir, "socket")
}

func TestUnixSocket(t *testing.T) {
	t.Parallel()
	path := socketPath(t)
	r := start(t, config("unix://"+path))
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode(); got != fs660 {
		t.Errorf("got mode %v, want %v", got, fs660)
	}
	for _, page := range []string{"/healthz", "/debug/pprof/"} {
		if status, _ := r.do(t, "GET", page, "localhost"); status != 200 {
			t.Errorf("%s: got %d, want 200", page, status)
		}
	}
	if status, _ := r.do(t, "GET", "/debug/pprof/", "evil.example.com"); status != 403 {
		t.Errorf("foreign Host: got %d, want 403", status)
	}
	r.stopped()
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("after the stop: got %v, want the socket gone", err)
	}
}

const fs660 = os.ModeSocket | 0o660

func TestStaleUnixSocketIsTakenOver(t *testing.T) {
	t.Parallel()
	path := socketPath(t)
	stale, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	stale.SetUnlinkOnClose(false)
	stale.Close()
	r := start(t, config("unix://"+path))
	if status, _ := r.do(t, "GET", "/healthz", ""); status != 200 {
		t.Errorf("got %d, want 200", status)
	}
}

func TestWhatIsInTheWayOfAUnixSocketStays(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		put  func(t *testing.T, path string)
	}{
		{"live socket", func(t *testing.T, path string) {
			l, err := net.Listen("unix", path)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { l.Close() })
		}},
		{"file", func(t *testing.T, path string) {
			if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
				t.Fatal(err)
			}
		}},
		{"empty directory", func(t *testing.T, path string) {
			if err := os.Mkdir(path, 0o700); err != nil {
				t.Fatal(err)
			}
		}},
		{"link to a stale socket", func(t *testing.T, path string) {
			stale, err := net.ListenUnix("unix", &net.UnixAddr{Name: path + ".stale", Net: "unix"})
			if err != nil {
				t.Fatal(err)
			}
			stale.SetUnlinkOnClose(false)
			stale.Close()
			if err := os.Symlink(path+".stale", path); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			path := socketPath(t)
			tt.put(t, path)
			before, err := os.Lstat(path)
			if err != nil {
				t.Fatal(err)
			}
			s, err := New(t.Context(), config("unix://"+path))
			if err == nil {
				s.Close()
				t.Fatalf("got it bound over a %s", tt.name)
			}
			if want := "listen on admin unix://" + path + ": "; !strings.HasPrefix(err.Error(), want) || !strings.Contains(err.Error(), "--admin") {
				t.Errorf("got %q, want it to begin with %q and to name --admin", err, want)
			}
			if after, err := os.Lstat(path); err != nil || !os.SameFile(before, after) || after.Mode() != before.Mode() {
				t.Errorf("got %v, %v in its place, want it left alone", after, err)
			}
		})
	}
}

func TestAddressThatCannotBeBound(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, tt := range []struct {
		address string
		want    []string
	}{
		{l.Addr().String(), []string{"address already in use", `choose another address with --admin, or turn it off with --admin ""`}},
		{"192.0.2.254:8053", []string{"cannot assign requested address", "no interface of this machine", "--admin"}},
		{"unix:///nonexistent/notyet.sock", []string{"no such file or directory", "make the directory", "--admin"}},
	} {
		if runtime.GOOS != "linux" && len(tt.want) == 1 {
			continue // worded otherwise
		}
		s, err := New(t.Context(), config(tt.address))
		if err == nil {
			s.Close()
			t.Errorf("%s: got no error", tt.address)
			continue
		}
		for _, want := range append(tt.want, "listen on admin "+tt.address+": ") {
			if got := err.Error(); strings.Count(got, want) != 1 || strings.Contains(got, "\n") {
				t.Errorf("%s: got %q, want it to say %q, once, in a line", tt.address, got, want)
			}
		}
	}
}

// Whoever opens one family to the network has not opened the other one.
func TestWildcardTakesItsOwnFamilyOnly(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ wildcard, other string }{{"0.0.0.0", "::"}, {"::", "0.0.0.0"}} {
		s, err := New(t.Context(), config(net.JoinHostPort(tt.wildcard, "0")))
		if errors.Is(err, syscall.EAFNOSUPPORT) || errors.Is(err, syscall.EADDRNOTAVAIL) {
			t.Skip("no IPv6 here")
		}
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		host, port, _ := net.SplitHostPort(s.Addr().String())
		if host != tt.wildcard {
			t.Errorf("%s: got it bound to %s", tt.wildcard, host)
		}
		beside := net.JoinHostPort(tt.other, port)
		if l, err := net.Listen(network(beside), beside); err != nil {
			t.Errorf("bind %s beside %s: %v", beside, s.Addr(), err)
		} else {
			l.Close()
		}
	}
}

func TestServerThatDoesNotRunCanBeClosed(t *testing.T) {
	t.Parallel()
	s, err := New(t.Context(), config("127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if c, err := net.Dial("tcp", s.Addr().String()); err == nil {
		c.Close()
		t.Errorf("got a connection to a closed server")
	}
}
