package server

import (
	"math/rand/v2"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"testing"

	"github.com/miekg/dns"

	"notyet/resolver"
)

func TestAnswerComesFromTheCacheTheSecondTime(t *testing.T) {
	t.Parallel()
	for _, proto := range []string{"udp", "tcp"} {
		f := start(t, nil)
		c := f.dial(t, proto)
		for _, qname := range []string{"www.example.com.", "WWW.example.com.", "missing.example.com.", "missing.EXAMPLE.com."} {
			c.ask(t, query(qname+" A"))
		}
		if got, want := f.upstream.exchanges(), []string{"www.example.com. A rd", "missing.example.com. A rd"}; !slices.Equal(got, want) {
			t.Errorf("%s: got %q asked upstream, want %q", proto, got, want)
		}
	}
}

func TestWhatTheResolverIsAsked(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	protocols(t, func(t *testing.T, proto string) {
		qname := proto + ".any.example.com. "
		c := f.dial(t, proto)
		for _, tt := range []struct {
			query *dns.Msg
			want  string
		}{
			{query(qname + "A"), qname + "A rd"},
			{query(qname+"AAAA", edns(4096)), qname + "AAAA rd"},
			{query(qname+"A", edns(1232), do), qname + "A rd do"},
			{query(qname+"A", func(q *dns.Msg) { q.CheckingDisabled = true }), qname + "A rd cd"},
			{query(qname+"TXT", func(q *dns.Msg) { q.RecursionDesired = false }), qname + "TXT"},
			{query("X." + qname + "MX"), "x." + qname + "MX rd"},
			{query(`\000\.\255` + qname + "HTTPS"), `\000\.\255` + qname + "HTTPS rd"},
		} {
			c.ask(t, tt.query)
			if got := f.upstream.exchanges(); !slices.Contains(got, tt.want) {
				t.Errorf("%s: got %q asked upstream, want %q", tt.query.Question[0].String(), got, tt.want)
			}
		}
	})
}

// held is a resolver that answers when it is told to.
type held chan *resolver.Query

func (h held) resolve(q *resolver.Query) { h <- q }

func TestClientsThatWaitForTheSameNameGetTheirOwnReplies(t *testing.T) {
	t.Parallel()
	waiting := make(held, 4)
	f := start(t, func(c *Config, _ *upstream) { c.Resolve = waiting.resolve })
	type asking struct {
		client
		query *dns.Msg
		want  string
	}
	var all []asking
	for _, proto := range []string{"udp", "tcp"} {
		for _, tt := range []struct {
			query *dns.Msg
			want  string
		}{
			{query("WWW.example.com. A"), "NOERROR qr rd ra | WWW.example.com. IN A | WWW.example.com. IN A 192.0.2.1"},
			{query("www.EXAMPLE.com. A", edns(1232)), "NOERROR qr rd ra | www.EXAMPLE.com. IN A | www.EXAMPLE.com. IN A 192.0.2.1 | OPT 1232"},
		} {
			a := asking{f.dial(t, proto), tt.query, tt.want}
			a.send(t, pack(t, a.query))
			all = append(all, a)
		}
	}
	var queries []*resolver.Query
	for range all {
		queries = append(queries, <-waiting)
	}
	slices.Reverse(queries)
	for _, q := range queries {
		q.Done(f.upstream.answer(q.Key))
	}
	for _, a := range all {
		if got := a.reply(t); got.Id != a.query.Id || render(got) != a.want {
			t.Errorf("got %d %s\nwant %d %s", got.Id, render(got), a.query.Id, a.want)
		}
	}
}

// TestAThousandMissesAnsweredInAnyOrder has them under way at the same time, and several goroutines that answer.
func TestAThousandMissesAnsweredInAnyOrder(t *testing.T) {
	t.Parallel()
	const clients, perClient = 20, 50
	for _, proto := range []string{"udp", "tcp"} {
		t.Run(proto, func(t *testing.T) {
			t.Parallel()
			waiting := make(held, clients*perClient)
			f := start(t, func(c *Config, _ *upstream) { c.Resolve = waiting.resolve })
			var asking []client
			var queries []*resolver.Query
			for i := range clients {
				c := f.dial(t, proto)
				asking = append(asking, c)
				for j := range perClient {
					q := query(strconv.Itoa(j) + "." + strconv.Itoa(i) + ".any.example.com. A")
					q.Id = uint16(i*perClient + j)
					c.send(t, pack(t, q))
				}
				for range perClient { // before the next client sends, or the kernel may drop some
					queries = append(queries, <-waiting)
				}
			}
			rand.Shuffle(len(queries), func(i, j int) { queries[i], queries[j] = queries[j], queries[i] })
			var answering sync.WaitGroup
			for part := range slices.Chunk(queries, len(queries)/4) {
				answering.Go(func() {
					for _, q := range part {
						q.Done(f.upstream.answer(q.Key))
					}
				})
			}
			for i, c := range asking {
				seen := make(map[string]bool)
				for range perClient {
					m := c.reply(t)
					j := int(m.Id) - i*perClient
					qname := strconv.Itoa(j) + "." + strconv.Itoa(i) + ".any.example.com."
					if got, want := render(m), "NOERROR qr rd ra | "+qname+" IN A | "+qname+" IN A 192.0.2.7"; got != want || seen[got] {
						t.Fatalf("client %d: got id %d, %s, want %s, once", i, m.Id, got, want)
					}
					seen[render(m)] = true
				}
			}
			answering.Wait()
		})
	}
}

// loopbacks has any port of the loopback of each family that this machine has.
func loopbacks(t *testing.T) []netip.AddrPort {
	t.Helper()
	v6 := netip.MustParseAddrPort("[::1]:0")
	c, err := net.ListenPacket("udp", v6.String())
	if err != nil {
		t.Logf("no IPv6 here: %v", err)
		return []netip.AddrPort{loopback}
	}
	c.Close()
	return []netip.AddrPort{loopback, v6}
}

func TestEveryFamilyIsAnswered(t *testing.T) {
	t.Parallel()
	for _, listen := range loopbacks(t) {
		for _, readers := range []int{1, 3} {
			f := start(t, func(c *Config, _ *upstream) { c.Listen, c.Readers = []netip.AddrPort{listen}, readers })
			for _, proto := range []string{"udp", "tcp"} {
				for range 2 * readers { // from as many ports, so that each reader has its turn
					f.dial(t, proto).ask(t, query("www.example.com. A"))
				}
			}
		}
	}
}

// TestReplyComesFromTheAddressThatWasAsked binds wildcards. A connected socket takes no packet from elsewhere.
func TestReplyComesFromTheAddressThatWasAsked(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("the system does not say which address was asked")
	}
	f := start(t, func(c *Config, _ *upstream) {
		c.Listen = []netip.AddrPort{netip.MustParseAddrPort("0.0.0.0:0"), netip.MustParseAddrPort("[::]:0")}
	})
	ports := map[bool]uint16{true: f.Addrs()[0].Port(), false: f.Addrs()[1].Port()} // is it IPv4?
	addrs := localAddrs(t)
	if runtime.GOOS == "linux" {
		addrs = append(addrs, netip.MustParseAddr("127.0.0.2")) // all of 127/8 is there
	}
	for _, addr := range addrs {
		protocols(t, func(t *testing.T, proto string) {
			c := dial(t, proto, netip.AddrPortFrom(addr, ports[addr.Is4()]))
			// From the resolver, then from the cache.
			qname := proto + strconv.Itoa(int(c.LocalAddr().(interface{ AddrPort() netip.AddrPort }).AddrPort().Port())) + ".any.example.com. A"
			for range 2 {
				if got := c.ask(t, query(qname)); got.Rcode != dns.RcodeSuccess {
					t.Errorf("%s asked at %s: got %s, want NOERROR", qname, addr, render(got))
				}
			}
		})
	}
}

// localAddrs are the addresses of this machine, those of a link with their zone.
func localAddrs(t *testing.T) []netip.Addr {
	t.Helper()
	interfaces, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	var all []netip.Addr
	for _, i := range interfaces {
		addrs, err := i.Addrs()
		if err != nil || i.Flags&net.FlagUp == 0 {
			continue
		}
		for _, a := range addrs {
			prefix, err := netip.ParsePrefix(a.String())
			if err != nil {
				continue
			}
			addr := prefix.Addr()
			if addr.IsLinkLocalUnicast() && addr.Is6() {
				addr = addr.WithZone(i.Name)
			}
			all = append(all, addr)
		}
	}
	return all
}
