package cache

import (
	"bytes"
	"encoding/binary"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"notyet/wire"
)

const (
	testID = 0x1234
	ms     = time.Millisecond
	s      = time.Second
)

// epoch is when every test begins.
var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func at(d time.Duration) time.Time { return epoch.Add(d) }

// world has a cache, an upstream that says what a test writes down, and clients.
type world struct {
	testing.TB
	*Cache
}

func newWorld(t testing.TB, change ...func(*Config)) *world {
	t.Helper()
	config := Config{Memory: MinMemory, MaxTTL: 24 * time.Hour, MaxNegativeTTL: 15 * time.Minute}
	for _, f := range change {
		f(&config)
	}
	return &world{t, New(config, epoch)}
}

// answer is what the upstream says. The sections are lines of a zone file.
type answer struct {
	rcode                         int
	ad                            bool
	answer, authority, additional string
	ede                           string // with code 22
}

// query is the packet of a client that asks "www.example. A", with the words rd, cd, ad, do,
// edns, keepalive, nsid and size=4096 behind it.
func (w *world) query(question string) *wire.Query {
	w.Helper()
	words := strings.Fields(question)
	m := new(dns.Msg)
	m.Id = testID
	m.Question = []dns.Question{{Name: words[0], Qtype: qtype(w, words[1]), Qclass: dns.ClassINET}}
	opt := &dns.OPT{Hdr: dns.RR_Header{Name: ".", Rrtype: dns.TypeOPT}}
	opt.SetUDPSize(1232)
	edns := false
	for _, word := range words[2:] {
		word, value, _ := strings.Cut(word, "=")
		switch word {
		case "rd":
			m.RecursionDesired = true
		case "cd":
			m.CheckingDisabled = true
		case "ad":
			m.AuthenticatedData = true
		case "edns":
			edns = true
		case "do":
			opt.SetDo()
		case "keepalive":
			opt.Option = append(opt.Option, &dns.EDNS0_TCP_KEEPALIVE{Code: dns.EDNS0TCPKEEPALIVE})
		case "nsid":
			opt.Option = append(opt.Option, &dns.EDNS0_NSID{Code: dns.EDNS0NSID})
		case "size":
			n, err := strconv.ParseUint(value, 10, 16)
			if err != nil {
				w.Fatalf("question %q: %v", question, err)
			}
			opt.SetUDPSize(uint16(n))
		default:
			w.Fatalf("question %q: what is %q?", question, word)
		}
		edns = edns || word == "do" || word == "keepalive" || word == "nsid" || word == "size"
	}
	if edns {
		m.Extra = []dns.RR{opt}
	}
	b, err := m.Pack()
	if err != nil {
		w.Fatalf("question %q: %v", question, err)
	}
	var q wire.Query
	if err := wire.ParseQuery(b, &q); err != nil {
		w.Fatalf("question %q: %v", question, err)
	}
	return &q
}

func qtype(t testing.TB, s string) uint16 {
	t.Helper()
	qtype, ok := dns.StringToType[s]
	if !ok {
		t.Fatalf("type %q: there is none", s)
	}
	return qtype
}

// key is what a client's question is kept under.
func (w *world) key(question string) Key {
	w.Helper()
	q := w.query(question)
	return w.Key(nil, q.Name, q.Type, q.EDNS.DO, q.Flags.Has(wire.CD))
}

// reply is the upstream's answer to the question, read.
func (w *world) reply(question string, a answer) *wire.Reply {
	w.Helper()
	k := w.key(question)
	m := &dns.Msg{Compress: true}
	m.Response, m.Rcode, m.AuthenticatedData = true, a.rcode, a.ad
	m.Question = []dns.Question{{Name: strings.Fields(question)[0], Qtype: k.Type, Qclass: dns.ClassINET}}
	m.Answer, m.Ns, m.Extra = records(w, a.answer), records(w, a.authority), records(w, a.additional)
	opt := &dns.OPT{Hdr: dns.RR_Header{Name: ".", Rrtype: dns.TypeOPT}}
	if a.ede != "" {
		opt.Option = []dns.EDNS0{&dns.EDNS0_EDE{InfoCode: 22, ExtraText: a.ede}}
	}
	m.Extra = append(m.Extra, opt)
	b, err := m.Pack()
	if err != nil {
		w.Fatalf("answer %+v: %v", a, err)
	}
	r := new(wire.Reply)
	if err := wire.ParseReply(b, k.Name, k.Type, r); err != nil {
		w.Fatalf("answer %+v: %v", a, err)
	}
	return r
}

func records(t testing.TB, zone string) (rrs []dns.RR) {
	t.Helper()
	zp := dns.NewZoneParser(strings.NewReader(zone), "", "")
	for rr, ok := zp.Next(); ok; rr, ok = zp.Next() {
		rrs = append(rrs, rr)
	}
	if err := zp.Err(); err != nil {
		t.Fatalf("records %q: %v", zone, err)
	}
	return rrs
}

// put gives the cache the upstream's answer to the question.
func (w *world) put(now time.Duration, question string, a answer) *Entry {
	w.Helper()
	return w.Put(w.key(question), w.reply(question, a), at(now))
}

// fail says that the upstream did not answer the question.
func (w *world) fail(now time.Duration, question string) *Entry {
	w.Helper()
	k := w.key(question)
	return w.PutFailure(k, Failure(k, nil), at(now))
}

// get is the entry that a client is answered with from the cache, nil for a miss.
func (w *world) get(now time.Duration, question string) *Entry {
	w.Helper()
	return w.got(w.key(question), at(now))
}

// got is Get that allocates.
func (w *world) got(k Key, now time.Time) *Entry {
	e := new(Entry)
	if !w.Get(e, k, now) {
		return nil
	}
	return e
}

// bytes are what the client gets when it is answered with e.
func (w *world) bytes(now time.Duration, question string, e *Entry, limit int) []byte {
	w.Helper()
	return w.AppendReply(nil, e, w.query(question), limit, at(now))
}

// read is the reply with e, as the client reads it.
func (w *world) read(now time.Duration, question string, e *Entry) *dns.Msg {
	w.Helper()
	return unpack(w, w.bytes(now, question, e, wire.MaxMessage))
}

// ask is what a client is answered from the cache, nil for a miss.
func (w *world) ask(now time.Duration, question string) *dns.Msg {
	w.Helper()
	e := w.get(now, question)
	if e == nil {
		return nil
	}
	return w.read(now, question, e)
}

func unpack(t testing.TB, b []byte) *dns.Msg {
	t.Helper()
	m := new(dns.Msg)
	if err := m.Unpack(b); err != nil {
		t.Fatalf("unpack %x: %v", b, err)
	}
	// Of the counts and of what follows miekg/dns is lenient.
	counts := make([]byte, 0, 8)
	for _, n := range []int{len(m.Question), len(m.Answer), len(m.Ns), len(m.Extra)} {
		counts = binary.BigEndian.AppendUint16(counts, uint16(n))
	}
	_, off, err := dns.UnpackDomainName(b, wire.HeaderLen)
	off += 4
	for range len(m.Answer) + len(m.Ns) + len(m.Extra) {
		if err == nil {
			_, off, err = dns.UnpackRR(b, off)
		}
	}
	if err != nil || off != len(b) || !bytes.Equal(b[4:wire.HeaderLen], counts) {
		t.Fatalf("got counts % x and %d bytes, want % x and %d: %x", b[4:wire.HeaderLen], len(b), counts, off, b)
	}
	return m
}

// wantLifetime checks that e, put at now, is what the question is answered with for d and no longer.
func (w *world) wantLifetime(now time.Duration, question string, e *Entry, d time.Duration) {
	w.Helper()
	if e.Lifetime() != d {
		w.Errorf("%s at %v: got lifetime %v, want %v", question, now, e.Lifetime(), d)
	}
	if d > 0 {
		if got := w.get(now, question); !same(got, e) {
			w.Errorf("%s at %v: got %v, want it from then on", question, now, got)
		}
		if got := w.get(now+d-1, question); !same(got, e) {
			w.Errorf("%s at %v: got %v, want it until just before %v", question, now+d-1, got, now+d)
		}
	}
	if got := w.get(now+d, question); got != nil {
		w.Errorf("%s at %v: got %v, want a miss", question, now+d, got)
	}
}

// same reports whether both are the same answer, or neither is one.
func same(a, b *Entry) bool {
	if a == nil || b == nil {
		return a == b
	}
	x, y := *a, *b
	x.due, y.due = 0, 0
	return reflect.DeepEqual(x, y)
}

// words gives records as in a zone file, separated by semicolons.
func words(rrs []dns.RR) string {
	var lines []string
	for _, rr := range rrs {
		if rr.Header().Rrtype != dns.TypeOPT {
			lines = append(lines, strings.ReplaceAll(strings.ReplaceAll(rr.String(), "\t", " "), " IN ", " "))
		}
	}
	return strings.Join(lines, "; ")
}

func ttls(rrs []dns.RR) (ttls []uint32) {
	for _, rr := range rrs {
		if rr.Header().Rrtype != dns.TypeOPT {
			ttls = append(ttls, rr.Header().Ttl)
		}
	}
	return ttls
}

// soa is the SOA of example. as a negative answer has it.
func soa(ttl, minimum time.Duration) string {
	return "example. " + strconv.Itoa(int(ttl/s)) + " SOA ns.example. host.example. 1 2 3 4 " + strconv.Itoa(int(minimum/s)) + "\n"
}

// The usual answers for names in example.
func nxdomain(ttl time.Duration) answer {
	return answer{rcode: dns.RcodeNameError, authority: soa(ttl, ttl)}
}

func nodata(ttl time.Duration) answer { return answer{authority: soa(ttl, ttl)} }

func a(owner string, ttl time.Duration) answer {
	return answer{answer: owner + " " + strconv.Itoa(int(ttl/s)) + " A 192.0.2.1"}
}

// rawReply is a reply made fast, for tests with many names; the digits of its name are replaced.
type rawReply struct {
	w      *world
	msg    []byte
	name   []byte
	qtype  uint16
	reply  wire.Reply
	digits []int // where in msg eight digits stand
}

const digits = "00000000"

func (w *world) raw(question string, a answer) *rawReply {
	w.Helper()
	r := w.reply(question, a)
	raw := &rawReply{w: w, msg: append([]byte(nil), r.Message...), name: w.key(question).Name, qtype: w.key(question).Type}
	binary.BigEndian.PutUint16(raw.msg[10:], uint16(r.Additional))
	for i := range raw.msg {
		if strings.HasPrefix(string(raw.msg[i:]), digits) {
			raw.digits = append(raw.digits, i)
		}
	}
	return raw
}

// put stores the reply with n in its names.
func (r *rawReply) put(now time.Duration, n int) (Key, *Entry) {
	k := r.number(n)
	return k, r.w.Put(k, &r.reply, at(now))
}

// number reads the reply with n in its names.
func (r *rawReply) number(n int) Key {
	for _, off := range r.digits {
		for i, n := len(digits)-1, n; i >= 0; i, n = i-1, n/10 {
			r.msg[off+i] = byte('0' + n%10)
		}
	}
	copy(r.name, r.msg[wire.HeaderLen:])
	if err := wire.ParseReply(r.msg, r.name, r.qtype, &r.reply); err != nil {
		r.w.Fatal(err)
	}
	return r.w.Key(nil, r.name, r.qtype, false, false)
}

// edeOf is the extended error of the reply, "" if there is none.
func edeOf(m *dns.Msg) string {
	if opt := m.IsEdns0(); opt != nil {
		for _, option := range opt.Option {
			if ede, ok := option.(*dns.EDNS0_EDE); ok {
				return strconv.Itoa(int(ede.InfoCode)) + " " + ede.ExtraText
			}
		}
	}
	return ""
}
