package upstream

import (
	"bytes"
	"fmt"
	"net/netip"
	"sync/atomic"
	"testing"

	"github.com/miekg/dns"

	"notyet/upstream/upstreamtest"
	"notyet/wire"
)

// bake answers with an address and a cookie, whose server part is given.
func bake(q *upstreamtest.Query, address, server string, change func(*dns.Msg)) {
	m := upstreamtest.Reply(q.Wire)
	m.Answer = []dns.RR{upstreamtest.RR(m.Question[0].Name + " 60 A " + address)}
	if c := q.Cookie(); c != nil {
		upstreamtest.WithCookie(m, append(bytes.Clone(c[:clientCookieLen]), server...))
	}
	change(m)
	q.Send(upstreamtest.Pack(m))
}

func wantRecord(t *testing.T, u *Upstream, want string) {
	t.Helper()
	if got := ask(t, u, "www.example.com.", patience); got.records() != "A "+want {
		t.Errorf("got %q, want A %s", got.records(), want)
	}
}

func TestCookieIsSentAndTheServersPartOnceItIsKnown(t *testing.T) {
	t.Parallel()
	arrived := make(chan []byte, 1)
	parts := []string{"8 octets", "and then these thirty-two octets", "sixteen of those"}
	asked := 0 // by the server's goroutine
	s := upstreamtest.New(t, func(q *upstreamtest.Query) {
		arrived <- q.Cookie()
		bake(q, "192.0.2.1", parts[asked%len(parts)], unchanged)
		asked++
	})
	under := newUnder(t)
	u := under.upstream(t, s.Addr, false)
	var client []byte
	for i := range parts {
		wantRecord(t, u, "192.0.2.1")
		got := <-arrived
		if i == 0 {
			client = got
		}
		want := client
		if i > 0 {
			want = append(bytes.Clone(client), parts[i-1]...)
		}
		if len(client) != clientCookieLen || !bytes.Equal(got, want) {
			t.Errorf("query %d: got cookie %q, want %q", i, got, want)
		}
	}
	wantRecord(t, under.upstream(t, s.Addr, false), "192.0.2.1")
	if got := <-arrived; len(got) != clientCookieLen || bytes.Equal(got, client) {
		t.Errorf("got cookie %x from another upstream, want one other than %x", got, client)
	}
	counted(t, "ignored", u.meter.ignored, 0)
}

func TestEveryAddressOfOursHasACookieOfItsOwn(t *testing.T) {
	t.Parallel()
	var one, other jar
	one.init()
	other.init()
	seen := make(map[clientCookie]string)
	for _, j := range []*jar{&one, &other} {
		for _, address := range []string{"192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2"} {
			c := j.bake(netip.MustParseAddr(address))
			if before := seen[c]; before != "" {
				t.Errorf("%s: got cookie %x, as for %s", address, c, before)
			}
			seen[c] = address
			if again := j.bake(netip.MustParseAddr(address)); again != c {
				t.Errorf("%s: got cookie %x, and then %x", address, c, again)
			}
		}
	}
	here, there := one.bake(netip.MustParseAddr("192.0.2.1")), one.bake(netip.MustParseAddr("192.0.2.2"))
	one.saw(here, append(here[:], "a cookie"...))
	for client, want := range map[clientCookie]int{here: clientCookieLen + len("a cookie"), there: clientCookieLen} {
		name, err := wire.Name("www.example.com.")
		if err != nil {
			t.Fatal(err)
		}
		q := upstreamtest.Query{Wire: one.appendTo(wire.AppendQuery(nil, name, dns.TypeA, 0, false), client)}
		if got := q.Cookie(); len(got) != want || !bytes.HasPrefix(got, client[:]) {
			t.Errorf("got cookie %x, want %x and %d bytes in all", got, client, want)
		}
	}
}

func TestBADCOOKIEIsAskedAgainWithTheNewOne(t *testing.T) {
	t.Parallel()
	const fresh = "the new cookie"
	s := upstreamtest.New(t, func(q *upstreamtest.Query) {
		bake(q, "192.0.2.1", fresh, func(m *dns.Msg) {
			if string(q.Cookie()[clientCookieLen:]) != fresh {
				m.Rcode, m.Answer = dns.RcodeBadCookie, nil
			}
		})
	})
	u := newUpstream(t, s.Addr)
	for range 2 {
		wantRecord(t, u, "192.0.2.1")
	}
	if udp, tcp := s.QueriesUDP(), s.QueriesTCP(); udp != 3 || tcp != 0 {
		t.Errorf("got %d queries over UDP and %d over TCP, want 3 and 0", udp, tcp)
	}
	counted(t, "answered", u.meter.answered, 2)
}

func TestBADCOOKIETwiceIsAskedOverTCP(t *testing.T) {
	t.Parallel()
	s := upstreamtest.New(t, func(q *upstreamtest.Query) {
		bake(q, "192.0.2.1", fmt.Sprintf("%p of many", q), func(m *dns.Msg) {
			if !q.TCP {
				m.Rcode, m.Answer = dns.RcodeBadCookie, nil
			}
		})
	})
	u := newUpstream(t, s.Addr)
	wantRecord(t, u, "192.0.2.1")
	if udp, tcp := s.QueriesUDP(), s.QueriesTCP(); udp != 2 || tcp != 1 {
		t.Errorf("got %d queries over UDP and %d over TCP, want 2 and 1", udp, tcp)
	}
}

func TestReplyWithAnotherCookieIsIgnored(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		forge func(client []byte) []byte
	}{
		{"another client's", func([]byte) []byte { return []byte("not mine, but baked") }},
		{"but for one bit", func(c []byte) []byte { c[7] ^= 1; return append(c, "8 octets"...) }},
		{"too short", func(c []byte) []byte { return c[:7] }},
		{"empty", func([]byte) []byte { return nil }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := upstreamtest.New(t, func(q *upstreamtest.Query) {
				m := upstreamtest.Reply(q.Wire)
				m.Answer = []dns.RR{upstreamtest.RR(m.Question[0].Name + " 60 A 192.0.2.66")}
				q.Send(upstreamtest.Pack(upstreamtest.WithCookie(m, tt.forge(q.Cookie()[:clientCookieLen]))))
				bake(q, "192.0.2.1", "8 octets", unchanged)
			})
			u := newUpstream(t, s.Addr)
			for range 2 { // the server's part is not known, and then is
				wantRecord(t, u, "192.0.2.1")
			}
			if n := s.QueriesTCP(); n != 0 {
				t.Errorf("got %d queries over TCP, want 0", n)
			}
			counted(t, "ignored", u.meter.ignored, 2)
		})
	}
}

// Some servers of many behind one address may give none.
func TestCookiesAreGivenUpOnlyForRepliesInARow(t *testing.T) {
	t.Parallel()
	h := newHabits(nil, "192.0.2.53:53")
	client := h.cookies.bake(netip.MustParseAddr("192.0.2.1"))
	for range 10 {
		if believed, useless := h.cookies.saw(client, append(client[:], "8 octets"...)); !believed || useless {
			t.Errorf("with the cookie: got believed %v, useless %v, want it believed", believed, useless)
		}
		for range maxCookieless - 1 {
			if believed, useless := h.cookies.saw(client, nil); believed || useless {
				t.Errorf("without cookie: got believed %v, useless %v, want neither", believed, useless)
			}
		}
	}
}

// cookieless is an upstream that gives a cookie to the first question only. Behind that its address over UDP is another.
func cookieless(tcp func(*upstreamtest.Query)) func(*upstreamtest.Query) {
	first := true
	return func(q *upstreamtest.Query) {
		switch {
		case q.TCP:
			tcp(q)
		case first:
			first = false
			bake(q, "192.0.2.1", "8 octets", unchanged)
		default:
			q.Answer("60 A 192.0.2.66")
		}
	}
}

func TestReplyWithoutTheCookieThatThereHasBeenIsNotBelieved(t *testing.T) {
	t.Parallel()
	s := upstreamtest.New(t, cookieless(func(q *upstreamtest.Query) { q.Answer("60 A 192.0.2.1") }))
	u := newUpstream(t, s.Addr)
	for range 2 {
		wantRecord(t, u, "192.0.2.1")
	}
	if udp, tcp := s.QueriesUDP(), s.QueriesTCP(); udp != 2 || tcp != 1 {
		t.Errorf("got %d queries over UDP and %d over TCP, want 2 and 1", udp, tcp)
	}
	counted(t, "ignored", u.meter.ignored, 1)
}

func TestUpstreamThatGivesNoCookiesAnyMoreIsSparedOurs(t *testing.T) {
	t.Parallel()
	s := upstreamtest.New(t, cookieless(func(q *upstreamtest.Query) { q.Answer("60 A 192.0.2.1") }))
	u, log := newUnder(t).logged(t, s.Addr, false)
	for range 1 + maxCookieless {
		wantRecord(t, u, "192.0.2.1")
	}
	for range 3 {
		wantRecord(t, u, "192.0.2.66")
	}
	if n := s.QueriesTCP(); n != maxCookieless {
		t.Errorf("got %d queries over TCP, want %d", n, maxCookieless)
	}
	log.told(t, "gives no DNS cookies any more")
}

func TestUpstreamThatGivesNoCookiesAnyMoreAndHasNoTCPIsStillOfUse(t *testing.T) {
	t.Parallel()
	s := upstreamtest.New(t, cookieless(func(q *upstreamtest.Query) { q.Hangup() }))
	u := newUpstream(t, s.Addr)
	wantRecord(t, u, "192.0.2.1")
	wantRecord(t, u, "192.0.2.66")
	if udp, tcp := s.QueriesUDP(), s.QueriesTCP(); udp != 1+maxCookieless+1 || tcp != hungUpTwice*maxCookieless {
		t.Errorf("got %d queries over UDP and %d over TCP, want %d and %d", udp, tcp, 1+maxCookieless+1, hungUpTwice*maxCookieless)
	}
}

func TestUpstreamWithoutCookiesIsSparedOurs(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		answer func(*upstreamtest.Query)
	}{
		{"no option", func(q *upstreamtest.Query) { q.Answer("60 A 192.0.2.1") }},
		{"no OPT", func(q *upstreamtest.Query) {
			bake(q, "192.0.2.1", "", func(m *dns.Msg) { m.Extra = nil })
		}},
		{"ours sent back", func(q *upstreamtest.Query) { bake(q, "192.0.2.1", "", unchanged) }},
		{"ours with half a cookie", func(q *upstreamtest.Query) { bake(q, "192.0.2.1", "7 bytes", unchanged) }},
		{"ours with too long a cookie", func(q *upstreamtest.Query) {
			bake(q, "192.0.2.1", "this cookie is one byte too long.", unchanged)
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var cookies atomic.Int32
			s := upstreamtest.New(t, func(q *upstreamtest.Query) {
				if q.Cookie() != nil {
					cookies.Add(1)
				}
				if q.Message().IsEdns0() == nil {
					t.Error("got a query without EDNS, want it with")
				}
				tt.answer(q)
			})
			u, log := newUnder(t).logged(t, s.Addr, false)
			for range 2 * maxCookieless {
				wantRecord(t, u, "192.0.2.1")
			}
			if n := cookies.Load(); n != maxCookieless || s.QueriesTCP() != 0 {
				t.Errorf("got %d cookies and %d queries over TCP, want %d and 0", n, s.QueriesTCP(), maxCookieless)
			}
			log.told(t)
		})
	}
}

// Servers that are flooded send this to ask real clients over TCP.
func TestTruncatedReplyNeedsNoCookie(t *testing.T) {
	t.Parallel()
	first := true
	s := upstreamtest.New(t, func(q *upstreamtest.Query) {
		switch {
		case q.TCP:
			q.Answer("60 A 192.0.2.1")
		case first:
			first = false
			bake(q, "192.0.2.1", "8 octets", unchanged)
		default:
			q.Truncate()
		}
	})
	u := newUpstream(t, s.Addr)
	for range 1 + 2*maxCookieless {
		wantRecord(t, u, "192.0.2.1")
	}
	counted(t, "ignored", u.meter.ignored, 0)
	counted(t, "truncated", u.meter.truncated, 2*maxCookieless)
}
