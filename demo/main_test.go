package demo

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var update = flag.Bool("update", false, "write the files of testdata")

// golden compares a text with a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("got:\n%s\nwant what %s has:\n%s", got, path, want)
	}
}

// memory is a network without packets: replies come at once, also in fake time. Ports are given out downwards. It is safe for concurrent use.
type memory struct {
	mu      sync.Mutex
	servers map[netip.AddrPort]handler
	fault   error // of listening; nil: there is none
}

func (n *memory) listen(answer handler) (netip.AddrPort, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.fault != nil {
		return netip.AddrPort{}, n.fault
	}
	if n.servers == nil {
		n.servers = make(map[netip.AddrPort]handler)
	}
	at := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(5010-len(n.servers)))
	n.servers[at] = answer
	return at, nil
}

func (n *memory) exchange(ctx context.Context, at netip.AddrPort, q *dns.Msg) (*dns.Msg, error) {
	n.mu.Lock()
	answer := n.servers[at]
	n.mu.Unlock()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if m := answer(q.Copy()); m != nil {
		return m.Copy(), nil
	}
	<-ctx.Done()
	return nil, ctx.Err()
}

// watcher does what a notyet does for a name under watch: it asks the name servers, every second while they have nothing.
type watcher struct {
	network
	authorities []netip.AddrPort

	mu    sync.Mutex
	last  *dns.Msg
	asked time.Time
}

// notyet makes the function of a Config.
func notyet(n network) func(context.Context, Setting, func(netip.AddrPort)) error {
	return func(ctx context.Context, s Setting, listening func(netip.AddrPort)) error {
		w := &watcher{network: n, authorities: s.Authorities}
		at, err := n.listen(w.answer)
		if err != nil {
			return err
		}
		listening(at)
		<-ctx.Done()
		return nil
	}
}

func (w *watcher) answer(q *dns.Msg) *dns.Msg {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.last == nil || w.last.Rcode != dns.RcodeSuccess && time.Since(w.asked) >= time.Second {
		w.asked = time.Now()
		for _, at := range w.authorities {
			m, err := w.exchange(context.Background(), at, q)
			if err != nil {
				return nil
			}
			if w.last = m; m.Rcode == dns.RcodeSuccess {
				break
			}
			m.Ns[0].Header().Ttl = 1
			m.SetEdns0(1232, false)
			who := strings.ReplaceAll(strings.Trim(fmt.Sprint(w.authorities), "[]"), " ", " and ")
			m.IsEdns0().Option = []dns.EDNS0{&dns.EDNS0_EDE{ExtraText: "notyet: NXDOMAIN, kept 1s; " + who + " not yet"}}
		}
	}
	m := w.last.Copy()
	m.Id = q.Id
	return m
}

var errFull = errors.New("no space left on device")

// full takes nothing.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errFull }
