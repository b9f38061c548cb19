package upstream

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"notyet/upstream/upstreamtest"
	"notyet/wire"
)

func TestSpellingIsOneOfAllByChance(t *testing.T) {
	t.Parallel()
	const names = 1000
	long := strings.Repeat(strings.Repeat("x", 61)+".", 4) // more than 64 letters
	for _, qname := range []string{"www.example.com.", "WWW.EXAMPLE.COM.", long} {
		name, err := wire.Name(qname)
		if err != nil {
			t.Fatal(err)
		}
		upper, same := make([]int, len(name)), 0 // times that a letter was upper case, and that its right neighbour had its case
		for range names {
			mixed := bytes.Clone(name)
			mixCase(mixed)
			if !wire.EqualFold(mixed, name) {
				t.Fatalf("got %q, want %q in another spelling", mixed, name)
			}
			for i, c := range mixed {
				if 'A' <= c && c <= 'Z' {
					upper[i]++
				}
			}
			if mixed[1]&0x20 == mixed[2]&0x20 {
				same++
			}
		}
		// Of 1,000 even draws 500 are one of two, give or take 16.
		for i, n := range upper {
			if letter := name[i] >= 'a'; letter && (n < 400 || n > 600) || !letter && n > 0 {
				t.Errorf("%q: octet %d was an upper case letter in %d of %d spellings, want half of them if it is one", qname, i, n, names)
			}
		}
		if same < 400 || same > 600 {
			t.Errorf("%q: the first two letters had the same case in %d of %d spellings, want half of them", qname, same, names)
		}
	}
}

func TestSpellingLeavesAllButLettersAlone(t *testing.T) {
	t.Parallel()
	var all []byte // octets that are no letters
	for c := range 256 {
		if c|0x20 < 'a' || c|0x20 > 'z' {
			all = append(all, byte(c))
		}
	}
	var name []byte
	for label := range slices.Chunk(all, 63) {
		name = append(append(name, byte(len(label))), label...)
	}
	name = append(name, 0)
	for range 20 {
		mixed := bytes.Clone(name)
		mixCase(mixed)
		if !bytes.Equal(mixed, name) {
			t.Fatalf("got %x, want %x", mixed, name)
		}
	}
}

// exact asks for the address of www.example.com in the spelling wWw.eXample.com.
func exact(t *testing.T, u *Upstream) result {
	t.Helper()
	x := question(t, "www.example.com.", dns.TypeA, patience)
	copy(x.Query[wire.HeaderLen:], "\x03wWw\x07eXample")
	x.Exact = true
	done := make(chan result, 1)
	x.Done = func(reply []byte, err error) { done <- result{reply: bytes.Clone(reply), err: err} }
	u.Ask(x)
	return finished(t, done)
}

// respell answers in another spelling than the query's.
func respell(q *upstreamtest.Query, qname string, change func(*dns.Msg)) {
	m := upstreamtest.Reply(q.Wire)
	m.Question[0].Name = qname
	m.Answer = []dns.RR{upstreamtest.RR(qname + " 60 A 192.0.2.66")}
	change(m)
	q.Send(upstreamtest.Pack(m))
}

func unchanged(*dns.Msg) {}

func TestReplyInTheSpellingOfTheQueryIsTaken(t *testing.T) {
	t.Parallel()
	s := upstreamtest.New(t, func(q *upstreamtest.Query) { q.Answer("60 A 192.0.2.1") })
	u := newUpstream(t, s.Addr)
	if got := exact(t, u); got.records() != "A 192.0.2.1" {
		t.Errorf("got %q, want A 192.0.2.1", got.records())
	}
	if s.QueriesUDP() != 1 || s.QueriesTCP() != 0 {
		t.Errorf("got %d queries over UDP and %d over TCP, want 1 and 0", s.QueriesUDP(), s.QueriesTCP())
	}
	counted(t, "ignored", u.meter.ignored, 0)
}

func TestReplyInAnotherSpellingIsAskedAgainOverTCP(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		udp  func(*upstreamtest.Query)
	}{
		{"lower case", func(q *upstreamtest.Query) { respell(q, "www.example.com.", unchanged) }},
		{"one letter", func(q *upstreamtest.Query) { respell(q, "wWw.eXample.coM.", unchanged) }},
		{"truncated", func(q *upstreamtest.Query) {
			respell(q, "www.example.com.", func(m *dns.Msg) { m.Truncated = true })
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := upstreamtest.New(t, func(q *upstreamtest.Query) {
				if !q.TCP {
					tt.udp(q)
					return
				}
				m := upstreamtest.Reply(q.Wire)
				m.Question[0].Name = "www.example.COM." // over TCP nobody can guess
				m.Answer = []dns.RR{upstreamtest.RR("www.example.com. 60 A 192.0.2.1")}
				q.Send(upstreamtest.Pack(m))
			})
			u := newUpstream(t, s.Addr)
			if got := exact(t, u); got.records() != "A 192.0.2.1" {
				t.Errorf("got %q, want A 192.0.2.1", got.records())
			}
			if s.QueriesUDP() != 1 || s.QueriesTCP() != 1 {
				t.Errorf("got %d queries over UDP and %d over TCP, want 1 and 1", s.QueriesUDP(), s.QueriesTCP())
			}
			counted(t, "ignored", u.meter.ignored, 1)
			counted(t, "answered", u.meter.answered, 1)
		})
	}
}

func TestReplyInAnotherSpellingAndNoTCPIsAFailure(t *testing.T) {
	t.Parallel()
	s := upstreamtest.New(t, func(q *upstreamtest.Query) {
		if q.TCP {
			q.Hangup()
			return
		}
		respell(q, "www.example.com.", unchanged)
	})
	u := newUpstream(t, s.Addr)
	if got := exact(t, u); got.err == nil {
		t.Errorf("got %q, want an error", got.records())
	}
}

// One that isn't right in other ways does not end the attempt.
func TestSpellingIsLookedAtOnlyIfTheRestIsRight(t *testing.T) {
	t.Parallel()
	s := upstreamtest.New(t, func(q *upstreamtest.Query) {
		respell(q, "www.example.com.", func(m *dns.Msg) { m.Id++ })
		respell(q, "www.example.org.", unchanged)
		q.Answer("60 A 192.0.2.1")
	})
	u := newUpstream(t, s.Addr)
	if got := exact(t, u); got.records() != "A 192.0.2.1" || s.QueriesTCP() != 0 {
		t.Errorf("got %q and %d queries over TCP, want A 192.0.2.1 and 0", got.records(), s.QueriesTCP())
	}
	counted(t, "ignored", u.meter.ignored, 2)
}
