package server

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"notyet/socket"
	"notyet/wire"
)

// FuzzPacket gives a reader any bytes, twice: what the resolver has to answer is in the cache the second time.
func FuzzPacket(f *testing.F) {
	for _, tt := range hits {
		b, err := tt.query.Copy().Pack()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	for _, q := range []*dns.Msg{
		query("version.bind. CH TXT"), query("www.example.com. ANY"), query("example.com. AXFR"),
		query("www.example.com. A", opcode(dns.OpcodeNotify)),
		query("www.example.com. A", edns(512, &dns.EDNS0_PADDING{Padding: make([]byte, 9)}), edns(1232), do),
		query("big.example.com. TXT", edns(65535, &dns.EDNS0_TCP_KEEPALIVE{Code: dns.EDNS0TCPKEEPALIVE})),
		query(strings.Repeat("aaaaaaaaa.", 25) + " TXT"),
	} {
		b, err := q.Pack()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte("short"))
	f.Fuzz(func(t *testing.T, b []byte) {
		b = b[:min(len(b), socket.MaxQuery)]
		r := newTestReader(t, &upstream{cache: newCache()})
		sent := r.conn.(*memoryPackets).out
		var replies [2][]byte
		for i := range replies {
			packets := []socket.Packet{{Peer: memoryPeer, In: bytes.Clone(b), Out: make([]byte, 0, socket.MaxQuery)}}
			r.handle(packets)
			reply := packets[0].Out
			switch n := len(sent); {
			case n > 1 || n == 1 && len(reply) > 0:
				t.Fatalf("%x: got %d replies and then %x, want one at most", b, n, reply)
			case n == 1:
				reply = <-sent
			}
			checkReply(t, b, reply)
			replies[i] = reply
		}
		if len(replies[0]) != len(replies[1]) { // only TTLs may differ
			t.Errorf("%x: got\n%x and then\n%x", b, replies[0], replies[1])
		}
	})
}

// checkReply checks what is true of every reply.
func checkReply(t *testing.T, query, reply []byte) {
	t.Helper()
	if len(query) < wire.HeaderLen || query[2]&0x80 != 0 {
		if len(reply) > 0 {
			t.Errorf("%x: got %x, want no reply", query, reply)
		}
		return
	}
	// What a query says is wire's business, which has an oracle of its own: miekg/dns refuses
	// some that are right, for the rdata of a record behind the question that we step over.
	var m dns.Msg
	var q wire.Query
	err := wire.ParseQuery(query, &q)
	if err := m.Unpack(reply); err != nil {
		t.Fatalf("%x: got %x: %v", query, reply, err)
	}
	if m.Id != binary.BigEndian.Uint16(query) || !m.Response || m.Authoritative || !m.RecursionAvailable {
		t.Errorf("%x: got %x, want its id, QR and RA set, AA clear", query, reply)
	}
	if len(reply) > q.Limit() {
		t.Errorf("%x: got %d bytes, want at most %d", query, len(reply), q.Limit())
	}
	if m.IsEdns0() != nil && !q.EDNS.Present {
		t.Errorf("%x: got an OPT in %x, want none", query, reply)
	}
	if m.Rcode != dns.RcodeSuccess {
		return
	}
	question := dns.Question{Name: wire.String(q.Name), Qtype: q.Type, Qclass: q.Class}
	if err != nil || len(m.Question) != 1 || m.Question[0] != question {
		t.Errorf("%x: got %x, want the question", query, reply)
	}
}
