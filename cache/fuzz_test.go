package cache

import (
	"slices"
	"testing"
	"time"

	"github.com/miekg/dns"

	"notyet/wire"
)

// FuzzReply keeps any reply that is taken and sends it out again.
func FuzzReply(f *testing.F) {
	w := newWorld(f)
	for question, reply := range map[string]answer{
		"www.example. A":     {answer: "www.example. 300 CNAME web.example.\nweb.example. 60 A 192.0.2.1", additional: "ns.example. 9 A 192.0.2.53"},
		"gone.example. AAAA": behindCNAME("gone.example.", "far.example."),
		"none.example. MX":   nodata(300 * s),
		"bad.example. TXT":   {rcode: dns.RcodeServerFailure, ede: "timeout"},
		"www.example. NS":    {authority: "example. 300 NS ns.example."},
	} {
		r := w.reply(question, reply)
		r.Message[11] = byte(r.Additional)
		for _, seconds := range []uint32{0, 5, 100000} {
			f.Add(r.Message, seconds, uint16(512), uint16(wire.RD), true)
			f.Add(r.Message, seconds, uint16(100), uint16(wire.CD|wire.AD), false)
		}
	}
	f.Fuzz(func(t *testing.T, msg []byte, seconds uint32, limit, flags uint16, do bool) {
		q := wire.Query{Flags: wire.Flags(flags) &^ (wire.QR | 0xF<<11), EDNS: wire.EDNS{Present: do, DO: do, Keepalive: do, Size: limit}}
		sendReply(t, msg, q, seconds, false)
		// Names that lead through other bytes than names change with those, so packed anew.
		m := new(dns.Msg)
		if m.Unpack(msg) != nil {
			return
		}
		m.Compress = true
		if packed, err := m.Pack(); err == nil && m.Unpack(packed) == nil {
			sendReply(t, packed, q, seconds, true)
		}
	})
}

// sendReply keeps the reply to q, whose question is the message's own, and sends it out some seconds later. A sound
// message is compared with what was sent.
func sendReply(t *testing.T, msg []byte, q wire.Query, seconds uint32, sound bool) {
	if len(msg) > wire.MaxMessage || !ownQuestion(msg, &q) {
		return
	}
	w := newWorld(t)
	k := w.Key(nil, q.Name, q.Type, q.EDNS.DO, q.Flags.Has(wire.CD))
	var r wire.Reply
	if wire.ParseReply(msg, k.Name, k.Type, &r) != nil {
		return
	}
	limits := usual()
	limits.EDE = func(time.Duration) []byte { return wire.AppendEDE(nil, 29, "not yet") }
	w.wantKept(k, w.PutWatched(k, &r, limits, at(0)), msg)
	if w.DropNegativesBelow(k.Name); w.totals().negative.entries > 0 {
		t.Fatalf("%x: it is not below its own name", msg)
	}
	w.wantIndex()
	e := w.Put(k, &r, at(0))
	w.wantKept(k, e, msg)
	now := at(time.Duration(seconds) * time.Second)
	cut := w.AppendReply(nil, e, &q, q.Limit(), now)
	if len(cut) > q.Limit() {
		t.Fatalf("%x: got %d bytes, want at most %d", msg, len(cut), q.Limit())
	}
	whole := w.AppendReply(nil, e, &q, 1<<20, now)
	if !sound {
		return
	}

	unpack(t, cut)
	before, after := unpack(t, msg), unpack(t, whole)
	if after.Id != testID || after.Question[0] != before.Question[0] || (after.IsEdns0() != nil) != q.EDNS.Present ||
		after.Rcode&0xF != r.Rcode&0xF || len(after.Answer) != r.Answers || len(after.Ns) != r.Authorities || len(ttls(after.Extra)) != r.Additional {
		t.Fatalf("%x: got %v, want %v", msg, after, before)
	}
	old := slices.Concat(before.Answer, before.Ns, before.Extra[:r.Additional])
	for i, rr := range slices.Concat(after.Answer, after.Ns, after.Extra[:r.Additional]) {
		most := max(int64(wire.TTL(old[i].Header().Ttl))-int64(seconds), 0)
		if got := int64(wire.TTL(rr.Header().Ttl)); got > most {
			t.Fatalf("%x after %d s: got TTL %d, want at most %d", msg, seconds, got, most)
		}
		// What remains is the same but for the MINIMUM of a negative.
		old[i].Header().Ttl = rr.Header().Ttl
		if soa, ok := rr.(*dns.SOA); ok {
			soa.Minttl = old[i].(*dns.SOA).Minttl
		}
		if got, want := rr.String(), old[i].String(); got != want {
			t.Fatalf("%x: got %s, want %s", msg, got, want)
		}
	}
}

// wantKept checks that e, made of msg, is kept if it should be.
func (w *world) wantKept(k Key, e *Entry, msg []byte) {
	w.Helper()
	if kept := w.got(k, at(0)); kept != nil != (e.Lifetime() > 0) || kept != nil && !same(kept, e) {
		w.Fatalf("%x: got %v from the cache, want %v", msg, kept, e)
	}
	w.wantIndex()
}

// ownQuestion makes q ask what the reply answers.
func ownQuestion(msg []byte, q *wire.Query) bool {
	if len(msg) < wire.HeaderLen {
		return false
	}
	query := append([]byte{0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0}, msg[wire.HeaderLen:]...)
	var asked wire.Query
	_ = wire.ParseQuery(query, &asked) // the records behind the question are none of a query's
	q.ID, q.Name, q.Type = testID, asked.Name, asked.Type
	return asked.Name != nil
}
