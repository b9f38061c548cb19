//go:build unix

package main

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/miekg/dns"

	"notyet/wire"
)

// TestFileFromAPipeStaysInForce has one that a second reading would find empty.
func TestFileFromAPipeStaysInForce(t *testing.T) {
	t.Parallel()
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	fmt.Fprintf(writer, "upstreams: [%q]\nlog: debug\n", upstreamOf(t, addressOf).addr)
	writer.Close()
	path, admin, hangup := fmt.Sprintf("/dev/fd/%d", reader.Fd()), "", make(chan os.Signal)
	s := &settings{file: &path, listen: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}, admin: &admin}
	from := source{load: s.config, file: path, resolvConf: filepath.Join(t.TempDir(), "resolv.conf"), hangup: hangup}
	p := startRun(t, func(ctx context.Context, _, stderr *output) int {
		if err := serve(ctx, from, stderr); err != nil {
			fmt.Fprintln(stderr, err)
			return 1
		}
		return 0
	})
	p.addr = p.line(t, "listening")["addr"].(string)
	hangup <- syscall.SIGHUP
	if got := p.line(t, "configuration reloaded")["changed"]; got != "nothing" {
		t.Errorf("got %v told as changed, want nothing", got)
	}
	if m := p.ask(t, "udp", "www.example.com.", dns.TypeA); len(m.Answer) != 1 {
		t.Errorf("got %s, want the answer of the file's upstream", wire.RcodeName(m.Rcode))
	}
}

// TestPipeIsFollowedAsOneThatCannotBeRead has a file that would take forever to open.
func TestPipeIsFollowedAsOneThatCannotBeRead(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "notyet.yaml")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if f := (&follower{files: []string{path}}); !strings.Contains(f.read(), "this is a pipe") {
		t.Errorf("got %q, want that it is a pipe", f.read())
	}
}
