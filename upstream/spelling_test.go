package upstream

import (
	"bytes"
	"errors"
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
	for _, qname := range []string{"www.example.com.", "WWW.EXAMPLE.COM.", "a.b.", long} {
		name, err := wire.Name(qname)
		if err != nil {
			t.Fatal(err)
		}
		upper, same := make([]int, len(name)), 0 // times that a letter was upper case, and that its right neighbour had its case
		for range names {
			mixed := bytes.Clone(name)
			if got, want := mixCase(mixed), !bytes.Equal(mixed, name); got != want {
				t.Fatalf("%q: got a capital in it %v, want %v", mixed, got, want)
			}
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

// hungUpTwice is how often a query goes to a server that closes each connection: it is asked once more on another one.
const hungUpTwice = 2

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
	if got := exact(t, u); got.err == nil || errors.Is(got.err, ErrTimeout) {
		t.Errorf("got %q, want an error at once", got.records())
	}
	if udp, tcp := s.QueriesUDP(), s.QueriesTCP(); udp != maxDoubts+1 || tcp != hungUpTwice*(maxDoubts+1) {
		t.Errorf("got %d queries over UDP and %d over TCP, want %d and %d", udp, tcp, maxDoubts+1, hungUpTwice*(maxDoubts+1))
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

// manyLetters is a name that as good as no spelling of is without capitals.
const manyLetters = "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz.example.com."

func TestQueriesAreSpelledAtRandomAndRepliesHandedOverAsAsked(t *testing.T) {
	t.Parallel()
	spellings := make(chan string, 1)
	s := upstreamtest.New(t, func(q *upstreamtest.Query) {
		spellings <- q.Qname()
		q.Answer("60 A 192.0.2.1") // with the owner name written out
	})
	u := newUpstream(t, s.Addr)
	seen := make(map[string]bool)
	for range 40 {
		got := ask(t, u, "www.example.com.", patience)
		m := new(dns.Msg)
		if err := m.Unpack(got.reply); err != nil {
			t.Fatal(err)
		}
		if qname, owner := m.Question[0].Name, m.Answer[0].Header().Name; qname != "www.example.com." || owner != qname {
			t.Errorf("got a reply for %s of %s, want www.example.com twice", qname, owner)
		}
		qname := <-spellings
		if !strings.EqualFold(qname, "www.example.com.") {
			t.Errorf("got a query for %s, want one for www.example.com", qname)
		}
		seen[qname] = true
	}
	if len(seen) < 38 { // of 8,192
		t.Errorf("got %d spellings in 40 queries, want hardly any twice", len(seen))
	}
	if n := s.QueriesTCP(); n != 0 {
		t.Errorf("got %d queries over TCP, want 0", n)
	}
}

// misspell answers in lower case with 192.0.2.66 over UDP, and in the query's spelling with 192.0.2.1 over TCP.
func misspell(q *upstreamtest.Query) {
	if q.TCP {
		q.Answer("60 A 192.0.2.1")
		return
	}
	respell(q, strings.ToLower(q.Qname()), unchanged)
}

func TestReplyInAnotherSpellingIsNotBelieved(t *testing.T) {
	t.Parallel()
	overTCP := make(chan string, 1)
	s := upstreamtest.New(t, func(q *upstreamtest.Query) {
		if q.TCP {
			overTCP <- q.Qname()
		}
		misspell(q)
	})
	u := newUpstream(t, s.Addr)
	if got := ask(t, u, manyLetters, patience); got.records() != "A 192.0.2.1" {
		t.Errorf("got %q, want A 192.0.2.1", got.records())
	}
	select {
	case qname := <-overTCP:
		if qname != manyLetters {
			t.Errorf("got a query for %s over TCP, want it in lower case", qname)
		}
	default:
		t.Error("got no query over TCP, want one")
	}
	counted(t, "ignored", u.meter.ignored, 1)
}

func TestUpstreamThatDoesNotKeepTheSpellingIsSparedIt(t *testing.T) {
	t.Parallel()
	s := upstreamtest.New(t, misspell)
	u, log := newUnder(t).logged(t, s.Addr, false)
	for i := range 2 * maxMisspelled {
		want := "A 192.0.2.1"
		if i >= maxMisspelled {
			want = "A 192.0.2.66" // the query is in lower case, and so is the reply
		}
		if got := ask(t, u, manyLetters, patience); got.records() != want {
			t.Errorf("question %d: got %q, want %q", i, got.records(), want)
		}
	}
	if n := s.QueriesTCP(); n != maxMisspelled {
		t.Errorf("got %d queries over TCP, want %d", n, maxMisspelled)
	}
	log.told(t, "does not keep the spelling")
}

func TestUpstreamThatDoesNotKeepTheSpellingAndHasNoTCPIsStillOfUse(t *testing.T) {
	t.Parallel()
	s := upstreamtest.New(t, func(q *upstreamtest.Query) {
		if q.TCP {
			q.Hangup()
			return
		}
		respell(q, strings.ToLower(q.Qname()), unchanged)
	})
	u, log := newUnder(t).logged(t, s.Addr, false)
	for range 3 {
		if got := ask(t, u, manyLetters, patience); got.records() != "A 192.0.2.66" {
			t.Errorf("got %q, want A 192.0.2.66", got.records())
		}
	}
	if udp, tcp := s.QueriesUDP(), s.QueriesTCP(); udp != maxMisspelled+3 || tcp != hungUpTwice*maxMisspelled {
		t.Errorf("got %d queries over UDP and %d over TCP, want %d and %d", udp, tcp, maxMisspelled+3, hungUpTwice*maxMisspelled)
	}
	log.told(t, "does not keep the spelling")
}

// A forger's luck now and then is no reason to give up.
func TestSpellingIsGivenUpOnlyForRepliesInARow(t *testing.T) {
	t.Parallel()
	count := 0
	s := upstreamtest.New(t, func(q *upstreamtest.Query) {
		if q.TCP {
			q.Answer("60 A 192.0.2.1")
			return
		}
		if count++; count%maxMisspelled == 0 {
			q.Answer("60 A 192.0.2.1")
			return
		}
		respell(q, strings.ToLower(q.Qname()), unchanged)
	})
	u, log := newUnder(t).logged(t, s.Addr, false)
	for range 5 * maxMisspelled {
		if got := ask(t, u, manyLetters, patience); got.records() != "A 192.0.2.1" {
			t.Errorf("got %q, want A 192.0.2.1", got.records())
		}
	}
	log.told(t)
	if !u.habits.spelling.kept() {
		t.Error("got the spelling given up, want it used")
	}
}

func TestNameWithoutLettersSaysNothingOfTheSpelling(t *testing.T) {
	t.Parallel()
	s := upstreamtest.New(t, misspell)
	u := newUpstream(t, s.Addr)
	for range maxMisspelled {
		if !u.habits.spelling.kept() {
			t.Fatal("got the spelling given up too early")
		}
		ask(t, u, manyLetters, patience)
		ask(t, u, "1.2.3.", patience) // right, as it can't be wrong
	}
	if u.habits.spelling.kept() {
		t.Errorf("got spellings kept up after %d replies in another, want them given up", maxMisspelled)
	}
}
