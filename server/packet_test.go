package server

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"notyet/cache"
	"notyet/wire"
)

// counted sets QDCOUNT, ANCOUNT, NSCOUNT and ARCOUNT.
func counted(qd, an, ns, ar uint16) func([]byte) []byte {
	return func(b []byte) []byte {
		for i, n := range []uint16{qd, an, ns, ar} {
			binary.BigEndian.PutUint16(b[4+2*i:], n)
		}
		return b
	}
}

func opcode(n int) func(*dns.Msg) { return func(q *dns.Msg) { q.Opcode = n } }

// protocols runs a test over both.
func protocols(t *testing.T, test func(t *testing.T, proto string)) {
	for _, proto := range []string{"udp", "tcp"} {
		t.Run(proto, func(t *testing.T) {
			t.Parallel()
			test(t, proto)
		})
	}
}

// A reply to a good question about www.example.com.
const (
	wwwA       = " | www.example.com. IN A"
	wwwAAnswer = wwwA + " | www.example.com. IN A 192.0.2.1"
)

func TestEveryPacketGetsWhatItDeserves(t *testing.T) {
	t.Parallel()
	f := start(t, func(c *Config, u *upstream) {
		u.cache = cache.New(cache.Config{MaxTTL: time.Hour}, time.Now()) // a denial's MINIMUM is then 0 at any time
		c.Cache = u.cache
	})
	www := func(change ...func(*dns.Msg)) *dns.Msg { return query("www.example.com. A", change...) }
	soa := func(q *dns.Msg) { q.Ns = append(q.Ns, rr(records[0])) }
	for _, tt := range []struct {
		name   string
		query  *dns.Msg
		change func([]byte) []byte
		want   string // empty: no reply
	}{
		{name: "good question", query: www(), want: "NOERROR qr rd ra" + wwwAAnswer},
		{name: "name that does not exist", query: query("missing.example.com. A"), want: "NXDOMAIN qr rd ra | missing.example.com. IN A | example.com. IN SOA ns.example.com. host.example.com. 1 900 300 604800 0"},
		{name: "type that does not exist", query: query("www.example.com. MX"), want: "NOERROR qr rd ra | www.example.com. IN MX | example.com. IN SOA ns.example.com. host.example.com. 1 900 300 604800 0"},
		{name: "unknown type", query: query("www.example.com. TYPE65400"), want: "NOERROR qr rd ra | www.example.com. IN TYPE65400 | example.com. IN SOA ns.example.com. host.example.com. 1 900 300 604800 0"},
		{name: "root", query: query(". NS"), want: "NXDOMAIN qr rd ra | . IN NS | example.com. IN SOA ns.example.com. host.example.com. 1 900 300 604800 0"},
		{name: "client's spelling", query: query("wWw.eXample.COM. A"), want: "NOERROR qr rd ra | wWw.eXample.COM. IN A | wWw.eXample.COM. IN A 192.0.2.1"},

		{name: "empty", query: www(), change: func([]byte) []byte { return nil }},
		{name: "one byte", query: www(), change: func(b []byte) []byte { return b[:1] }},
		{name: "eleven bytes", query: www(), change: func(b []byte) []byte { return b[:11] }},
		{name: "response", query: www(func(q *dns.Msg) { q.Response = true })},
		{name: "response to NOTIFY", query: www(opcode(dns.OpcodeNotify), func(q *dns.Msg) { q.Response = true })},

		{name: "header only", query: www(), change: func(b []byte) []byte { return b[:12] }, want: "FORMERR qr rd ra"},
		{name: "no question", query: www(), change: func(b []byte) []byte { return counted(0, 0, 0, 0)(b[:12]) }, want: "FORMERR qr rd ra"},
		{name: "two questions", query: www(), change: func(b []byte) []byte { return counted(2, 0, 0, 0)(append(b, b[12:]...)) }, want: "FORMERR qr rd ra"},
		{name: "question cut", query: www(), change: func(b []byte) []byte { return b[:len(b)-1] }, want: "FORMERR qr rd ra"},
		{name: "qname without end", query: www(), change: func(b []byte) []byte { return b[:len(b)-5] }, want: "FORMERR qr rd ra"},
		{name: "qname with a pointer", query: www(), change: func(b []byte) []byte { return append(b[:12], 0xC0, 12, 0, 1, 0, 1) }, want: "FORMERR qr rd ra"},
		{name: "qname with a reserved label type", query: www(), change: func(b []byte) []byte { b[12] = 0x40; return b }, want: "FORMERR qr rd ra"},
		{
			name: "qname of 256 bytes", query: www(),
			change: func(b []byte) []byte {
				return append(append(b[:12], strings.Repeat("\x02ab", 85)...), 0, 0, 1, 0, 1)
			},
			want: "FORMERR qr rd ra",
		},
		{name: "trailing garbage", query: www(), change: func(b []byte) []byte { return append(b, 0) }, want: "FORMERR qr rd ra" + wwwA},
		{name: "record announced and not there", query: www(), change: counted(1, 0, 0, 1), want: "FORMERR qr rd ra" + wwwA},
		{name: "records in the answer section", query: www(func(q *dns.Msg) { q.Answer = append(q.Answer, rr(records[1])) }), want: "FORMERR qr rd ra" + wwwA},
		{name: "records in the authority section", query: www(soa), want: "FORMERR qr rd ra" + wwwA},

		{name: "IQUERY", query: www(opcode(dns.OpcodeIQuery)), want: "1 NOTIMP qr rd ra"},
		{name: "STATUS", query: www(opcode(dns.OpcodeStatus)), want: "2 NOTIMP qr rd ra"},
		{name: "opcode 3", query: www(opcode(3)), want: "3 NOTIMP qr rd ra"},
		{name: "NOTIFY", query: www(opcode(dns.OpcodeNotify)), want: "4 REFUSED qr rd ra"},
		{name: "UPDATE", query: www(opcode(dns.OpcodeUpdate)), want: "5 NOTIMP qr rd ra"},
		{name: "DSO", query: www(opcode(6)), change: func(b []byte) []byte { return counted(0, 0, 0, 0)(b[:12]) }, want: "6 NOTIMP qr rd ra"},
		{name: "opcode 15", query: www(opcode(15)), want: "15 NOTIMP qr rd ra"},
		{name: "STATUS with EDNS", query: www(opcode(dns.OpcodeStatus), edns(1232)), want: "2 NOTIMP qr rd ra | OPT 1232"},
		{name: "NOTIFY with EDNS", query: www(opcode(dns.OpcodeNotify), edns(1232)), want: "4 REFUSED qr rd ra | OPT 1232"},
		{name: "UPDATE with EDNS, DO", query: www(opcode(dns.OpcodeUpdate), soa, edns(1232), do), want: "5 NOTIMP qr rd ra | OPT 1232 do"},

		{name: "class HS", query: query("www.example.com. HS A"), want: "NOTIMP qr rd ra | www.example.com. HS A"},
		{name: "class NONE", query: query("www.example.com. NONE A"), want: "NOTIMP qr rd ra | www.example.com. NONE A"},
		{name: "class ANY", query: www(func(q *dns.Msg) { q.Question[0].Qclass = dns.ClassANY }), want: "NOTIMP qr rd ra | www.example.com. CLASS255 A"},
		{name: "class 0", query: www(func(q *dns.Msg) { q.Question[0].Qclass = 0 }), want: "NOTIMP qr rd ra | www.example.com. CLASS0 A"},
		{name: "version", query: query("version.bind. CH TXT"), want: `NOERROR qr rd ra | version.bind. CH TXT | version.bind. CH TXT "notyet test"`},
		{name: "version in another spelling", query: query("VERSION.Server. CH TXT"), want: `NOERROR qr rd ra | VERSION.Server. CH TXT | VERSION.Server. CH TXT "notyet test"`},
		{name: "version of any type", query: query("version.bind. CH ANY"), want: `NOERROR qr rd ra | version.bind. CH ANY | version.bind. CH TXT "notyet test"`},
		{name: "id", query: query("id.server. CH TXT"), want: `NOERROR qr rd ra | id.server. CH TXT | id.server. CH TXT "a.host"`},
		{name: "host name", query: query("hostname.bind. CH TXT", edns(1232)), want: `NOERROR qr rd ra | hostname.bind. CH TXT | hostname.bind. CH TXT "a.host" | OPT 1232`},
		{name: "version as an address", query: query("version.bind. CH A"), want: "NOTIMP qr rd ra | version.bind. CH A"},
		{name: "other CHAOS name", query: query("authors.bind. CH TXT"), want: "NOTIMP qr rd ra | authors.bind. CH TXT"},
		{name: "transfer in CHAOS", query: query("version.bind. CH AXFR"), want: "NOTIMP qr rd ra | version.bind. CH AXFR"},

		{name: "ANY", query: query("www.example.com. ANY"), want: `NOERROR qr rd ra | www.example.com. IN ANY | www.example.com. IN HINFO "RFC8482" ""`},
		{name: "AXFR", query: query("example.com. AXFR"), want: "REFUSED qr rd ra | example.com. IN AXFR"},
		{name: "IXFR", query: query("example.com. IXFR", soa), want: "REFUSED qr rd ra | example.com. IN IXFR"},

		{name: "EDNS", query: www(edns(1232)), want: "NOERROR qr rd ra" + wwwAAnswer + " | OPT 1232"},
		{name: "EDNS with another size", query: www(edns(4096)), want: "NOERROR qr rd ra" + wwwAAnswer + " | OPT 1232"},
		{name: "EDNS with size 0", query: www(edns(0)), want: "NOERROR qr rd ra" + wwwAAnswer + " | OPT 1232"},
		{name: "EDNS version 1", query: www(edns(1232), func(q *dns.Msg) { q.IsEdns0().SetVersion(1) }), want: "BADVERS qr rd ra" + wwwA + " | OPT 1232"},
		{name: "EDNS version 255, DO", query: www(edns(1232), do, func(q *dns.Msg) { q.IsEdns0().SetVersion(255) }), want: "BADVERS qr rd ra" + wwwA + " | OPT 1232 do"},
		{name: "two OPTs", query: www(edns(1232), edns(1232)), want: "FORMERR qr rd ra" + wwwA + " | OPT 1232"},
		{name: "OPT that isn't at the root", query: www(edns(1232), func(q *dns.Msg) { q.Extra[0].Header().Name = "x." }), want: "FORMERR qr rd ra" + wwwA},
		{
			name: "option longer than the OPT", query: www(edns(1232, &dns.EDNS0_PADDING{Padding: make([]byte, 4)})),
			change: func(b []byte) []byte { b[len(b)-5]++; return b }, want: "FORMERR qr rd ra" + wwwA + " | OPT 1232",
		},
		{name: "padding", query: www(edns(1232, &dns.EDNS0_PADDING{Padding: make([]byte, 128)})), want: "NOERROR qr rd ra" + wwwAAnswer + " | OPT 1232"},
		{name: "cookie", query: www(edns(1232, &dns.EDNS0_COOKIE{Code: dns.EDNS0COOKIE, Cookie: "0123456789abcdef"})), want: "NOERROR qr rd ra" + wwwAAnswer + " | OPT 1232"},
		{name: "unknown option", query: www(edns(1232, &dns.EDNS0_LOCAL{Code: 65001, Data: []byte("x")})), want: "NOERROR qr rd ra" + wwwAAnswer + " | OPT 1232"},
		{
			name:  "client subnet",
			query: www(edns(1232, &dns.EDNS0_SUBNET{Code: dns.EDNS0SUBNET, Family: 1, SourceNetmask: 24, Address: []byte{192, 0, 2, 0}})),
			want:  "NOERROR qr rd ra" + wwwAAnswer + " | OPT 1232",
		},
		{name: "record behind the OPT", query: www(edns(1232), func(q *dns.Msg) { q.Extra = append(q.Extra, rr(records[1])) }), want: "NOERROR qr rd ra" + wwwAAnswer + " | OPT 1232"},

		{name: "DO", query: www(edns(1232), do), want: "NOERROR qr rd ra ad" + wwwAAnswer + " | OPT 1232 do"},
		{name: "AD", query: www(func(q *dns.Msg) { q.AuthenticatedData = true }), want: "NOERROR qr rd ra ad" + wwwAAnswer},
		{name: "CD", query: www(func(q *dns.Msg) { q.CheckingDisabled = true }), want: "NOERROR qr rd ra cd" + wwwAAnswer},
		{name: "no RD", query: www(func(q *dns.Msg) { q.RecursionDesired = false }), want: "NOERROR qr ra" + wwwAAnswer},
		{name: "AA, TC, RA and Z", query: www(func(q *dns.Msg) { q.Authoritative, q.Truncated, q.RecursionAvailable, q.Zero = true, true, true, true }), want: "NOERROR qr rd ra" + wwwAAnswer},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			protocols(t, func(t *testing.T, proto string) {
				b := pack(t, tt.query)
				if tt.change != nil {
					b = tt.change(b)
				}
				c := f.dial(t, proto)
				c.send(t, b)
				if tt.want != "" {
					got := c.reply(t)
					if got.Id != tt.query.Id || render(got) != tt.want {
						t.Errorf("%x:\n got %d %s\nwant %d %s", b, got.Id, render(got), tt.query.Id, tt.want)
					}
				}
				// Whatever it was, the next query is answered, and by the next reply.
				next := query("www.example.com. TXT", func(q *dns.Msg) { q.Id = ^tt.query.Id })
				if got, want := render(c.ask(t, next)), `NOERROR qr rd ra | www.example.com. IN TXT | www.example.com. IN TXT "www"`; got != want {
					t.Errorf("after %x:\n got %s\nwant %s", b, got, want)
				}
			})
		})
	}
}

func TestClientThatIsNotAllowedIsRefused(t *testing.T) {
	t.Parallel()
	f := start(t, func(c *Config, _ *upstream) {
		c.Allow = []netip.Prefix{netip.MustParsePrefix("192.0.2.7/24"), netip.MustParsePrefix("::1/128")}
	})
	protocols(t, func(t *testing.T, proto string) {
		c := f.dial(t, proto)
		for _, tt := range []struct {
			name  string
			query *dns.Msg
			want  string
		}{
			{"good question", query("www.example.com. A"), "REFUSED qr rd ra" + wwwA},
			{"EDNS", query("www.example.com. A", edns(1232)), "REFUSED qr rd ra" + wwwA + " | OPT 1232 EDE 18"},
			{"version", query("version.bind. CH TXT"), "REFUSED qr rd ra | version.bind. CH TXT"},
			{"UPDATE", query("www.example.com. A", opcode(dns.OpcodeUpdate)), "5 REFUSED qr rd ra"},
			{"UPDATE with EDNS", query("www.example.com. A", opcode(dns.OpcodeUpdate), edns(1232)), "5 REFUSED qr rd ra | OPT 1232 EDE 18"},
		} {
			if got := render(c.ask(t, tt.query)); got != tt.want {
				t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
			}
		}
		c.send(t, pack(t, query("www.example.com. A", func(q *dns.Msg) { q.Response = true })))
		c.ask(t, query("www.example.com. A")) // the response got none
	})
	t.Cleanup(func() {
		if got := f.upstream.exchanges(); len(got) > 0 {
			t.Errorf("got %q asked upstream, want nothing", got)
		}
	})
}

func TestAllow(t *testing.T) {
	t.Parallel()
	list := newAllowList([]netip.Prefix{
		netip.MustParsePrefix("192.0.2.7/24"), netip.MustParsePrefix("10.0.0.1/32"), netip.MustParsePrefix("fe80::/10"),
	})
	for _, tt := range []struct {
		addr string
		want bool
	}{
		{"192.0.2.1", true},
		{"192.0.3.1", false},
		{"10.0.0.1", true},
		{"10.0.0.2", false},
		{"fe80::1", true},
		{"fe80::1%eth0", true}, // as TCP names a client of the link
		{"2001:db8::1", false},
	} {
		if got := list.has(netip.MustParseAddr(tt.addr)); got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.addr, got, tt.want)
		}
	}
	if newAllowList(nil).has(netip.MustParseAddr("127.0.0.1")) {
		t.Errorf("an empty list: got 127.0.0.1 allowed, want nobody")
	}
}

func TestWithoutVersionAndIDBothAreRefused(t *testing.T) {
	t.Parallel()
	f := start(t, func(c *Config, _ *upstream) { c.Version, c.ID = "", "" })
	c := f.dial(t, "udp")
	for _, qname := range []string{"version.bind.", "version.server.", "id.server.", "hostname.bind."} {
		if got, want := render(c.ask(t, query(qname+" CH TXT"))), "REFUSED qr rd ra | "+qname+" CH TXT"; got != want {
			t.Errorf("%s: got %s, want %s", qname, got, want)
		}
	}
}

func TestReplyLongerThanTheClientTakes(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	for _, tt := range []struct {
		name  string
		query *dns.Msg
		want  string // over UDP; empty: the whole reply
	}{
		{"600 bytes", query("medium.example.com. TXT"), "NOERROR qr tc rd ra | medium.example.com. IN TXT"},
		{"600 bytes for 512", query("medium.example.com. TXT", edns(512)), "NOERROR qr tc rd ra | medium.example.com. IN TXT | OPT 1232"},
		{"600 bytes for 1232", query("medium.example.com. TXT", edns(1232), do), ""},
		{"1,600 bytes", query("big.example.com. TXT"), "NOERROR qr tc rd ra | big.example.com. IN TXT"},
		{"1,600 bytes for 1232", query("big.example.com. TXT", edns(1232)), "NOERROR qr tc rd ra | big.example.com. IN TXT | OPT 1232"},
		{"1,600 bytes for 4096", query("big.example.com. TXT", edns(4096), do), "NOERROR qr tc rd ra ad | big.example.com. IN TXT | OPT 1232 do"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			whole := render(f.dial(t, "tcp").ask(t, tt.query))
			if strings.Contains(whole, " tc ") || strings.Count(whole, "IN TXT") != 2 {
				t.Errorf("tcp: got %s, want it whole", whole)
			}
			if tt.want == "" {
				tt.want = whole
			}
			c := f.dial(t, "udp")
			if got := render(c.ask(t, tt.query)); got != tt.want {
				t.Errorf("udp, from the cache: got %s, want %s", got, tt.want)
			}
			tt.query.CheckingDisabled = true
			tt.want = strings.Replace(tt.want, " | ", " cd | ", 1)
			if got := render(c.ask(t, tt.query)); got != tt.want {
				t.Errorf("udp, from the upstream: got %s, want %s", got, tt.want)
			}
		})
	}
}

// TestReplyThatJustFits asks over UDP for answers around the client's limit.
func TestReplyThatJustFits(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	c := f.dial(t, "udp")
	for _, tt := range []struct {
		edns      uint16 // 0: none
		size      int    // of the whole reply, in bytes
		truncated bool
	}{
		{0, 512, false}, {0, 513, true},
		{512, 512, false}, {512, 513, true},
		{100, 512, false}, {100, 513, true},
		{1000, 1000, false}, {1000, 1001, true},
		{1232, 1232, false}, {1232, 1233, true},
		{65535, 1232, false}, {65535, 1233, true},
	} {
		q, size := query("sized.example.com. TYPE65400"), tt.size
		if tt.edns > 0 {
			edns(tt.edns)(q)
			size -= wire.OPTLen
		}
		f.upstream.putSized(size)
		c.send(t, pack(t, q))
		b, err := c.receive()
		if err != nil {
			t.Fatal(err)
		}
		if truncated := b[2]&2 != 0; truncated != tt.truncated || !truncated && len(b) != tt.size {
			t.Errorf("reply of %d bytes, client takes %d: got %d bytes, truncated %v, want truncated %v", tt.size, tt.edns, len(b), truncated, tt.truncated)
		}
	}
}

func TestLongestReplyOverTCP(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	c := f.dial(t, "tcp")
	for _, size := range []int{wire.MaxMessage, 16384, wire.MaxMessage} {
		want := f.upstream.putSized(size)
		c.send(t, pack(t, query("sized.example.com. TYPE65400")))
		b, err := c.receive()
		if err != nil {
			t.Fatal(err)
		}
		if len(b) != size || !bytes.Equal(b[len(b)-size/2:], want[len(want)-size/2:]) {
			t.Errorf("reply of %d bytes: got %d bytes, or others than are in the cache", size, len(b))
		}
	}
}
