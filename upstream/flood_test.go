package upstream

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/miekg/dns"

	"notyet/upstream/upstreamtest"
	"notyet/wire"
)

const serverPart = "8 octets" // of a cookie

// A forger knows everything but what has to be guessed: the server, our port and the question. forged is the reply that
// would be believed, change makes it one of those that are guessed.
func forge(q *upstreamtest.Query, packets int, change func(forged []byte)) {
	m := upstreamtest.Reply(q.Wire)
	m.Answer = []dns.RR{upstreamtest.RR(m.Question[0].Name + " 60 A 192.0.2.66")}
	cookie := append(q.Cookie()[:clientCookieLen:clientCookieLen], serverPart...)
	right := upstreamtest.Pack(upstreamtest.WithCookie(m, cookie))
	for range packets {
		forged := bytes.Clone(right)
		change(forged)
		q.Send(forged)
	}
}

func guessID(forged []byte) {
	binary.BigEndian.PutUint16(forged, binary.BigEndian.Uint16(forged)+uint16(1+rand.IntN(1<<16-1)))
}

func guessSpelling(forged []byte) {
	qname := forged[wire.HeaderLen:][:len(manyLetters)+1]
	right := bytes.Clone(qname)
	for bytes.Equal(qname, right) {
		mixCase(qname)
	}
}

// guessCookie changes the one that the reply ends with.
func guessCookie(forged []byte) {
	client := forged[len(forged)-len(serverPart)-clientCookieLen:][:clientCookieLen]
	right := bytes.Clone(client)
	for bytes.Equal(client, right) {
		binary.BigEndian.PutUint64(client, rand.Uint64())
	}
}

func TestFloodOfForgedReplies(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name      string
		change    func(forged []byte)
		questions int
		overTCP   int // of them
	}{
		{"ids", guessID, 20, 0},
		{"cookies, with the right id and spelling", guessCookie, 20, 0},
		{"ids, spellings and cookies", func(forged []byte) { guessID(forged); guessSpelling(forged); guessCookie(forged) }, 20, 0},
		// Whoever knows the id and the cookie could do with one of these after the third question.
		{"spellings, with the right id and cookie", guessSpelling, maxMisspelled, maxMisspelled},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			const packets = 100 // for each question; many more don't fit into the socket's buffer, and the reply would be lost
			s := upstreamtest.New(t, func(q *upstreamtest.Query) {
				if !q.TCP {
					forge(q, packets, tt.change)
				}
				bake(q, "192.0.2.1", serverPart, unchanged)
			})
			u := newUpstream(t, s.Addr)
			for range tt.questions {
				if got := ask(t, u, manyLetters, patience); got.records() != "A 192.0.2.1" {
					t.Fatalf("got %q, want A 192.0.2.1", got.records())
				}
			}
			if n := s.QueriesTCP(); n != tt.overTCP {
				t.Errorf("got %d queries over TCP, want %d", n, tt.overTCP)
			}
		})
	}
}

// For one question the forger has the time to try all ids.
func TestForgerTriesEveryID(t *testing.T) {
	t.Parallel()
	s := upstreamtest.New(t, func(*upstreamtest.Query) {})
	u := newUpstream(t, s.Addr)
	source, send := sourceOf(t, u)
	done := send("www.example.com.")
	a := attemptOf(t, source)
	reply := upstreamtest.Answer(a.exchange.Query, "60 A 192.0.2.66")
	for id := range 1 << 16 {
		if uint16(id) != a.id {
			source.Receive(nil, setID(reply, uint16(id)), nil)
		}
	}
	if len(done) > 0 {
		t.Fatalf("got %q, want no forged reply taken", (<-done).records())
	}
	counted(t, "ignored", u.meter.ignored, 1<<16-1)
	source.Receive(nil, upstreamtest.Answer(a.exchange.Query, "60 A 192.0.2.1"), nil)
	if got := finished(t, done); got.records() != "A 192.0.2.1" {
		t.Errorf("got %q, want A 192.0.2.1", got.records())
	}
}
