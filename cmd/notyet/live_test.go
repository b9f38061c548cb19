package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// notyet runs a command that is to exit with 0, and returns what it prints.
func notyet(t *testing.T, args ...string) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	if code := run(t.Context(), args, &stdout, &stderr); code != 0 {
		t.Fatalf("notyet %q: got exit code %d, want 0: %s", args, code, &stderr)
	}
	return stdout.String()
}

// TestCommandsManageWhatRuns has the program that serves at the other end.
func TestCommandsManageWhatRuns(t *testing.T) {
	t.Parallel()
	u := zoneOf(t, func(qname string) bool { return qname == "www.shipit.dev." })
	p := startWith(t, fmt.Sprintf("upstreams: [%q]", u.addr))
	at := "--admin=" + p.admin
	for _, step := range []struct {
		do   func()
		args []string
		want string // a part of what it prints
	}{
		{nil, []string{"watch", "list"}, "nothing is under watch"},
		{nil, []string{"cache", "stats"}, "nothing has been looked up yet"},
		{nil, []string{"watch", "add", "preview.shipit.dev", "--for=1h", "--poll=0s", "--authorities=" + u.addr}, "is under watch for 1h, until "},
		{func() { p.ask(t, "udp", "pr-7.preview.shipit.dev.", dns.TypeA) }, []string{"watch", "list"}, "\npr-7.preview.shipit.dev  A "},
		{nil, []string{"cache", "show", "pr-7.preview.shipit.dev"}, "\nA     NXDOMAIN  "},
		{nil, []string{"cache", "flush", "--zone=shipit.dev", "--negative"}, "dropped 1 negative answer for shipit.dev and below"},
		{func() { p.ask(t, "udp", "www.shipit.dev.", dns.TypeA) }, []string{"cache", "show", "www.shipit.dev"}, " IN A 192.0.2.1\n"},
		{nil, []string{"cache", "flush", "www.shipit.dev", "--negative"}, "no negative answer was cached for www.shipit.dev"},
		{nil, []string{"cache", "flush", "www.shipit.dev"}, "dropped 1 answer for www.shipit.dev"},
		{nil, []string{"cache", "flush", "www.shipit.dev"}, "no answer was cached for www.shipit.dev"},
		{nil, []string{"cache", "flush", "--zone=."}, "no answer was cached"},
		{nil, []string{"__complete", "watch", "remove", ""}, "preview.shipit.dev\tends in "},
		{nil, []string{"watch", "remove", "preview.shipit.dev"}, "the lease of preview.shipit.dev has ended"},
		{nil, []string{"watch", "list", "--json"}, `"watches": []`},
		{nil, []string{"check", "--live"}, "ready\n"},
	} {
		if step.do != nil {
			step.do()
		}
		args := slices.Insert(step.args, len(step.args)-1, at) // the last one may be a word that is still being written
		if got := notyet(t, args...); !strings.Contains(got, step.want) {
			t.Errorf("notyet %q: got %s, want %q", args, got, step.want)
		}
	}
}

func TestCommandsReachASocketThatAsksForAToken(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("no Unix socket with a mode")
	}
	dir, err := os.MkdirTemp("", "notyet") // short enough for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	token, admin := filepath.Join(dir, "token"), "unix://"+filepath.Join(dir, "socket")
	if err := os.WriteFile(token, []byte("0123456789abcdef\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if p := startWith(t, "upstreams: [192.0.2.1]\nadmin_token_file: "+token, "--admin="+admin); p.admin != admin {
		t.Errorf("got %s in the log, want it as --admin takes it: %s", p.admin, admin)
	}
	if got := notyet(t, "watch", "list", "--admin="+admin, "--admin-token-file="+token); !strings.Contains(got, "nothing is under watch") {
		t.Errorf("got %s", got)
	}
	var stdout, stderr bytes.Buffer
	code := run(t.Context(), []string{"watch", "list", "--admin=" + admin}, &stdout, &stderr)
	if want := "name the file with it with --admin-token-file"; code != 1 || !strings.Contains(stderr.String(), want) {
		t.Errorf("without the token: got exit code %d and %s, want 1 and %q", code, &stderr, want)
	}
}
