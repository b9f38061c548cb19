package upstream

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// directory has the addresses of an upstream that is given by name, and counts. No address has a server: dialing fails as
// the test says.
type directory struct {
	mu      sync.Mutex
	addrs   []netip.Addr
	ttl     time.Duration
	err     error
	lookups int
	dialed  []string
	moments []time.Time // of the dials, all that there were
	answers func(addr string) (net.Conn, error)
}

func (d *directory) lookup(ctx context.Context, name string) ([]netip.Addr, time.Duration, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lookups++
	if name != serverName {
		return nil, 0, fmt.Errorf("asked for %q", name)
	}
	return d.addrs, d.ttl, d.err
}

func (d *directory) dial(ctx context.Context, _, addr string) (net.Conn, error) {
	d.mu.Lock()
	d.dialed = append(d.dialed, addr)
	d.moments = append(d.moments, time.Now())
	d.mu.Unlock()
	if d.answers == nil {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return d.answers(addr)
}

// did is how often the addresses were looked up, and what was dialed, since the last time.
func (d *directory) did() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := fmt.Sprint(d.lookups, " ", d.dialed)
	d.lookups, d.dialed = 0, nil
	return s
}

func addrs(all ...string) (parsed []netip.Addr) {
	for _, a := range all {
		parsed = append(parsed, netip.MustParseAddr(a))
	}
	return parsed
}

// named is an upstream whose addresses d has, at port 853.
func (d *directory) named() *Upstream {
	return New(Config{
		Name: "tls://" + serverName, Addr: netip.AddrPortFrom(netip.Addr{}, 853), Dial: d.dial,
		TLS: &TLS{Name: serverName, Lookup: d.lookup}, Deadlines: NewDeadlines(),
	})
}

// tcp dials as streams do.
func tcp(u *Upstream) error {
	ctx, cancel := context.WithTimeout(context.Background(), tryTimeout)
	defer cancel()
	conn, err := u.dial(ctx)
	if err == nil {
		conn.Close()
	}
	return err
}

// reachable answers at some addresses, and refuses at the others.
func reachable(good ...string) func(string) (net.Conn, error) {
	return func(addr string) (net.Conn, error) {
		for _, g := range good {
			if strings.HasPrefix(addr, g+":") {
				conn, _ := net.Pipe()
				return conn, nil
			}
		}
		return nil, errors.New("refused")
	}
}

func TestAddressesAreKeptForTheirTTL(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &directory{addrs: addrs("192.0.2.1"), ttl: time.Minute, answers: reachable("192.0.2.1", "192.0.2.2")}
		u := d.named()
		defer u.Close()
		dials := func(want string) {
			t.Helper()
			if err := tcp(u); err != nil {
				t.Error(err)
			}
			if got := d.did(); got != want {
				t.Errorf("got look-ups and dials %s, want %s", got, want)
			}
		}
		dials("1 [192.0.2.1:853]")
		time.Sleep(time.Minute - time.Second)
		dials("0 [192.0.2.1:853]")
		time.Sleep(2 * time.Second)
		d.addrs = addrs("192.0.2.2")
		dials("1 [192.0.2.2:853]")
		time.Sleep(time.Minute)
		d.err = errors.New("no bootstrap server")
		dials("1 [192.0.2.2:853]") // better old than none
		dials("0 [192.0.2.2:853]") // nor asked for again at once
		time.Sleep(againAfter)
		dials("1 [192.0.2.2:853]")
	})
}

func TestAddressThatFailsIsLookedUpAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &directory{addrs: addrs("192.0.2.1"), ttl: time.Hour, answers: reachable("192.0.2.1")}
		u := d.named()
		defer u.Close()
		if err := tcp(u); err != nil {
			t.Fatal(err)
		}
		d.did()
		d.addrs, d.answers = addrs("192.0.2.2"), reachable("192.0.2.2")
		if err := tcp(u); err != nil {
			t.Errorf("after a move: %v", err)
		}
		if got := d.did(); got != "1 [192.0.2.1:853 192.0.2.2:853]" {
			t.Errorf("got look-ups and dials %s", got)
		}
	})
}

func TestAddressThatWorkedIsTheFirst(t *testing.T) {
	t.Parallel()
	d := &directory{addrs: addrs("192.0.2.1", "192.0.2.2", "2001:db8::3"), ttl: time.Hour, answers: reachable("[2001:db8::3]")}
	u := d.named()
	defer u.Close()
	for _, want := range []string{"1 [192.0.2.1:853 192.0.2.2:853 [2001:db8::3]:853]", "0 [[2001:db8::3]:853]"} {
		if err := tcp(u); err != nil {
			t.Error(err)
		}
		if got := d.did(); got != want {
			t.Errorf("got look-ups and dials %s, want %s", got, want)
		}
	}
	if got := fmt.Sprint(d.addrs); got != "[192.0.2.1 192.0.2.2 2001:db8::3]" {
		t.Errorf("the look-up's own list became %s", got)
	}
}

func TestSilentAddressesShareTheTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &directory{addrs: addrs("192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"), ttl: time.Hour}
		u := d.named()
		defer u.Close()
		// At first there is a look-up, later half the time goes to the addresses that are known.
		for _, want := range []string{"[0s 500ms 1s 1.5s]", "[0s 250ms 500ms 750ms 1s 1.25s 1.5s 1.75s]"} {
			began := time.Now()
			if err := tcp(u); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != tryTimeout {
				t.Errorf("got %v after %v, want a timeout after %v", err, time.Since(began), tryTimeout)
			}
			var after []time.Duration
			for _, m := range d.moments {
				after = append(after, m.Sub(began))
			}
			d.moments = nil
			if got := fmt.Sprint(after); got != want {
				t.Errorf("got dials after %s, want %s", got, want)
			}
		}
	})
}

func TestUnknownAddressIsNoTimeoutOfTheUpstream(t *testing.T) {
	t.Parallel()
	d := &directory{err: fmt.Errorf("192.0.2.9:53: %w", ErrTimeout)}
	u := d.named()
	defer u.Close()
	got := ask(t, u, "www.example.com.", patience)
	if got.err == nil || errors.Is(got.err, ErrTimeout) || got.err.Error() != "its address is not known: 192.0.2.9:53: timeout" {
		t.Errorf("got %v, want that the address is not known", got.err)
	}
	if got := d.did(); got != "1 []" {
		t.Errorf("got look-ups and dials %s, want a look-up alone", got)
	}
}
