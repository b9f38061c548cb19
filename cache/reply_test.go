package cache

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"notyet/wire"
)

func TestSpellingOfTheClientComesBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.put(0, "wWw.Example. A", answer{answer: "wWw.Example. 300 CNAME Web.Example.\nWeb.Example. 300 A 192.0.2.1"})
	for _, qname := range []string{"www.example.", "WWW.EXAMPLE.", "wwW.eXample."} {
		m := w.ask(0, qname+" A")
		if m == nil {
			t.Fatalf("%s: got a miss", qname)
		}
		if m.Id != testID || m.Question[0].Name != qname || m.Answer[0].Header().Name != qname {
			t.Errorf("%s: got %v", qname, m)
		}
		if got := m.Answer[1].Header().Name; !strings.EqualFold(got, "web.example.") {
			t.Errorf("%s: got the target %s, want web.example.", qname, got)
		}
	}
}

func TestQuestionsKeptApart(t *testing.T) {
	t.Parallel()
	questions := []string{
		"www.example. A", "www.example. A do", "www.example. A cd", "www.example. A do cd",
		"www.example. AAAA", "www.example. AAAA do cd", "web.example. A", "a.www.example. A", "example. A",
	}
	for _, kind := range []string{"positive", "negative", "failure"} {
		w := newWorld(t)
		want := make(map[string]*Entry)
		for _, question := range questions {
			switch kind {
			case "positive":
				f := strings.Fields(question)
				rdata := map[string]string{"A": " A 192.0.2.1", "AAAA": " AAAA 2001:db8::1"}[f[1]]
				want[question] = w.put(0, question, answer{answer: f[0] + " 300" + rdata})
			case "negative":
				want[question] = w.put(0, question, nxdomain(300*s))
			case "failure":
				want[question] = w.fail(0, question)
			}
		}
		for question, e := range want {
			if got := w.get(0, question); !same(got, e) {
				t.Errorf("%s: %s: got %v, want its own entry", kind, question, got)
			}
		}
		for _, question := range []string{"www.example. A rd", "www.example. A ad edns", "wWW.example. A keepalive", "www.example. A size=600"} {
			if got := w.get(0, question); !same(got, want["www.example. A"]) {
				t.Errorf("%s: %s: got %v, want the entry of www.example. A", kind, question, got)
			}
		}
	}
}

func TestHeaderOfTheReply(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		question string
		ad       bool // the upstream set it
		want     wire.Flags
	}{
		{"www.example. A", false, wire.QR | wire.RA},
		{"www.example. A rd", false, wire.QR | wire.RA | wire.RD},
		{"www.example. A rd cd", false, wire.QR | wire.RA | wire.RD | wire.CD},
		{"www.example. A rd ad", false, wire.QR | wire.RA | wire.RD},
		{"www.example. A rd do", false, wire.QR | wire.RA | wire.RD},
		{"www.example. A rd", true, wire.QR | wire.RA | wire.RD},
		{"www.example. A rd edns", true, wire.QR | wire.RA | wire.RD},
		{"www.example. A rd ad", true, wire.QR | wire.RA | wire.RD | wire.AD},
		{"www.example. A rd do", true, wire.QR | wire.RA | wire.RD | wire.AD},
		{"www.example. A do cd", true, wire.QR | wire.RA | wire.CD | wire.AD},
	} {
		for rcode, reply := range map[int]answer{dns.RcodeSuccess: a("www.example.", 300*s), dns.RcodeNameError: nxdomain(300 * s)} {
			w := newWorld(t)
			r := w.reply(tt.question, reply)
			r.Flags |= wire.AA | wire.TC | wire.CD | wire.RD | 1<<6 // none of the upstream's business
			if tt.ad {
				r.Flags |= wire.AD
			}
			k := w.key(tt.question)
			w.Put(k, r, at(0))
			b := w.bytes(0, tt.question, w.got(k, at(0)), wire.MaxMessage)
			if got, want := wire.Flags(uint16(b[2])<<8|uint16(b[3])), tt.want|wire.Flags(rcode); got != want {
				t.Errorf("%s, upstream's ad %v, rcode %d: got flags %04x, want %04x", tt.question, tt.ad, rcode, got, want)
			}
		}
	}
}

func TestOPTOnlyWhenAsked(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		question string
		ede      string
		want     string // what the OPT has
	}{
		{"www.example. A", "", "none"},
		{"www.example. A", "stale", "none"},
		{"www.example. A edns", "", "size 1232"},
		{"www.example. A nsid size=4096", "", "size 1232"},
		{"www.example. A do", "", "do size 1232"},
		{"www.example. A edns", "stale", "size 1232 ede 22 stale"},
		{"www.example. A keepalive", "", "size 1232 keepalive 100"},
		{"www.example. A do keepalive", "stale", "do size 1232 keepalive 100 ede 22 stale"},
	} {
		for _, reply := range []answer{a("www.example.", 300*s), nxdomain(300 * s), {rcode: dns.RcodeRefused}} {
			reply.ede = tt.ede
			reply.additional = "ns.example. 300 A 192.0.2.53"
			w := newWorld(t)
			e := w.put(0, tt.question, reply)
			m := w.read(0, tt.question, e)
			if got := optOf(m); got != tt.want {
				t.Errorf("%s, rcode %d: got OPT %q, want %q", tt.question, reply.rcode, got, tt.want)
			}
			if len(ttls(m.Extra)) != 1 {
				t.Errorf("%s, rcode %d: got additional %v, want the glue in it", tt.question, reply.rcode, m.Extra)
			}
		}
	}
}

// optOf says what the reply's OPT has.
func optOf(m *dns.Msg) string {
	opt := m.IsEdns0()
	if opt == nil {
		return "none"
	}
	var said []string
	if opt.Do() {
		said = append(said, "do")
	}
	said = append(said, "size", strconv.Itoa(int(opt.UDPSize())))
	for _, option := range opt.Option {
		switch option := option.(type) {
		case *dns.EDNS0_TCP_KEEPALIVE:
			said = append(said, "keepalive", strconv.Itoa(int(option.Timeout)))
		case *dns.EDNS0_EDE:
			said = append(said, "ede", strconv.Itoa(int(option.InfoCode)), option.ExtraText)
		default:
			said = append(said, option.String())
		}
	}
	return strings.Join(said, " ")
}

func TestReplyIsAppended(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	question := "wWw.example. A do keepalive"
	e := w.put(0, question, answer{answer: "www.example. 300 CNAME web.example.\nweb.example. 60 A 192.0.2.1", ede: "stale"})
	n := w.put(0, "gone.example. A", nxdomain(300*s))
	for question, e := range map[string]*Entry{question: e, "gone.example. A": n} {
		for _, limit := range []int{60, wire.MaxMessage} {
			alone := w.bytes(1*s, question, e, limit)
			got := w.AppendReply([]byte("\x01\x00"), e, w.query(question), limit, at(1*s))
			if !bytes.Equal(got, append([]byte("\x01\x00"), alone...)) {
				t.Errorf("%s: got %x behind a length, want %x", question, got, alone)
			}
		}
	}
}

// TestReplyLongerThanTheLimit has answers that fit and do not by one byte.
func TestReplyLongerThanTheLimit(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, question := range []string{"wWw.example. TXT rd", "wWw.example. TXT rd edns", "wWw.example. TXT rd do ad", "wWw.example. TXT rd keepalive"} {
		for _, reply := range []answer{
			{ad: true, answer: strings.Repeat("www.example. 300 TXT "+strings.Repeat("x", 100)+"\n", 5), additional: "ns.example. 300 A 192.0.2.53"},
			{rcode: dns.RcodeNameError, answer: "www.example. 300 CNAME gone.example.", authority: soa(300*s, 300*s)},
		} {
			e := w.put(0, question, reply)
			whole := w.bytes(0, question, e, wire.MaxMessage)
			if got := w.bytes(0, question, e, len(whole)); !bytes.Equal(got, whole) {
				t.Errorf("%s: got %x in %d bytes, want it whole", question, got, len(whole))
			}
			if unpack(t, whole).Truncated {
				t.Errorf("%s: a whole reply has tc set", question)
			}

			limit := len(whole) - 1
			if strings.HasSuffix(question, "keepalive") {
				limit -= len(keepaliveOption) // which yields first
			}
			cut := w.bytes(0, question, e, limit)
			m := unpack(t, cut)
			if !m.Truncated || len(m.Answer)+len(m.Ns)+len(ttls(m.Extra)) > 0 || m.Rcode != reply.rcode || m.Id != testID ||
				!m.RecursionDesired || !m.Response || m.Question[0].Name != "wWw.example." || optOf(m) != optOf(unpack(t, whole)) {
				t.Errorf("%s in %d bytes: got %v, want tc and the question", question, limit, m)
			}
			if min := wire.HeaderLen + len("www.example.") + 1 + 4 + wire.OPTLen + len(keepaliveOption); len(cut) > min {
				t.Errorf("%s: got %d bytes, want at most %d", question, len(cut), min)
			}
		}
	}
}

func TestClientsLimit(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	size := func(n int) answer { // of about n bytes
		return answer{answer: strings.Repeat("www.example. 300 TXT "+strings.Repeat("x", 87)+"\n", n/100)}
	}
	for _, tt := range []struct {
		question  string
		bytes     int
		truncated bool
	}{
		{"www.example. TXT", 400, false},
		{"www.example. TXT", 500, true},
		{"www.example. TXT size=100", 400, false},
		{"www.example. TXT size=600", 500, false},
		{"www.example. TXT size=600", 600, true},
		{"www.example. TXT size=4096", 1100, false},
		{"www.example. TXT size=4096", 1300, true},
	} {
		e := w.put(0, tt.question, size(tt.bytes))
		q := w.query(tt.question)
		b := w.bytes(0, tt.question, e, q.Limit())
		if got := unpack(t, b).Truncated; got != tt.truncated || len(b) > q.Limit() {
			t.Errorf("%s, %d bytes: got tc %v in %d bytes, want %v in at most %d", tt.question, tt.bytes, got, len(b), tt.truncated, q.Limit())
		}
		if m := w.read(0, tt.question, e); m.Truncated || len(m.Answer) != tt.bytes/100 {
			t.Errorf("%s, %d bytes, over TCP: got tc %v, %d records", tt.question, tt.bytes, m.Truncated, len(m.Answer))
		}
	}
}

func TestExtendedErrorYieldsToTheAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.put(0, "www.example. A edns", answer{answer: "www.example. 300 A 192.0.2.1", ede: "stale"})
	whole := len(w.bytes(0, "www.example. A edns", e, wire.MaxMessage))
	for _, tt := range []struct {
		limit   int
		ede     string
		answers int
	}{
		{whole, "22 stale", 1},
		{whole - 1, "", 1},
		{whole - 4 - 2 - len("stale"), "", 1},
		{whole - 4 - 2 - len("stale") - 1, "", 0},
	} {
		m := unpack(t, w.bytes(0, "www.example. A edns", e, tt.limit))
		if edeOf(m) != tt.ede || len(m.Answer) != tt.answers || m.Truncated != (tt.answers == 0) {
			t.Errorf("%d of %d bytes: got %v, want extended error %q, %d answers", tt.limit, whole, m, tt.ede, tt.answers)
		}
	}
}

func TestKeepaliveYieldsToTheAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const question = "www.example. A keepalive"
	e := w.put(0, question, a("www.example.", 300*s))
	whole := len(w.bytes(0, question, e, wire.MaxMessage))
	for _, tt := range []struct {
		limit     int
		keepalive bool // also of a reply that is cut all the same
		answers   int
	}{
		{whole, true, 1},
		{whole - 1, false, 1},
		{whole - len(keepaliveOption), false, 1},
		{whole - len(keepaliveOption) - 1, true, 0},
	} {
		b := w.bytes(0, question, e, tt.limit)
		m := unpack(t, b)
		keepalive := m.IsEdns0() != nil && len(m.IsEdns0().Option) == 1
		if keepalive != tt.keepalive || len(m.Answer) != tt.answers || m.Truncated != (tt.answers == 0) || len(b) > tt.limit {
			t.Errorf("%d of %d bytes: got %v, want keepalive %v, %d answers", tt.limit, whole, m, tt.keepalive, tt.answers)
		}
	}
}

func TestExtendedErrorIsKept(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for question, reply := range map[string]answer{
		"www.example. A edns":  {answer: "www.example. 300 A 192.0.2.1", ede: "synthesised"},
		"gone.example. A edns": {rcode: dns.RcodeNameError, authority: soa(300*s, 300*s), ede: "synthesised"},
	} {
		w.put(0, question, reply)
		if got, want := edeOf(w.ask(500*ms, question)), "22 synthesised"; got != want {
			t.Errorf("%s: got extended error %q, want %q", question, got, want)
		}
	}
}

// TestLargestMessage is one of 65,535 bytes, which an OPT would make longer than TCP takes.
func TestLargestMessage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const question = "www.example. NULL"
	k := w.key(question)
	rr := func(n int) []byte { // of n bytes
		n -= 12
		return append([]byte{0xC0, 12, 0, byte(dns.TypeNULL), 0, 1, 0, 0, 1, 0, byte(n >> 8), byte(n)}, make([]byte, n)...)
	}
	msg := append([]byte{0, 0, 0x80, 0, 0, 1, 0, 2, 0, 0, 0, 0}, k.Name...)
	msg = append(msg, 0, byte(dns.TypeNULL), 0, 1)
	msg = append(msg, rr(30000)...)
	msg = append(msg, rr(wire.MaxMessage-len(msg))...)
	var r wire.Reply
	if err := wire.ParseReply(msg, k.Name, k.Type, &r); err != nil {
		t.Fatal(err)
	}
	e := w.Put(k, &r, at(0))
	if !same(w.got(k, at(0)), e) {
		t.Error("the smallest cache doesn't keep it")
	}
	if m := w.read(1*s, question, e); len(m.Answer) != 2 || m.Truncated || !slices.Equal(ttls(m.Answer), []uint32{255, 255}) {
		t.Errorf("without OPT: got %d answers, TTLs %v, tc %v", len(m.Answer), ttls(m.Answer), m.Truncated)
	}
	if m := w.read(1*s, question+" edns", e); !m.Truncated || m.IsEdns0() == nil {
		t.Errorf("with OPT: got %d answers, tc %v, want it cut", len(m.Answer), m.Truncated)
	}
}

// TestManyClientsReadOneEntry is for the race detector.
func TestManyClientsReadOneEntry(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.put(0, "www.example. A", nxdomain(300*s))
	q := w.query("wWw.example. A edns")
	want := w.AppendReply(nil, e, q, wire.MaxMessage, at(500*ms))
	done := make(chan []byte)
	for range 8 {
		go func() {
			var b []byte
			for i := range 200 {
				b = w.AppendReply(b[:0], e, q, wire.MaxMessage, at(time.Duration(300+i)*ms))
			}
			done <- w.AppendReply(b[:0], e, q, wire.MaxMessage, at(500*ms))
		}()
	}
	for range 8 {
		if got := <-done; !bytes.Equal(got, want) {
			t.Errorf("got %x, want %x", got, want)
		}
	}
}
