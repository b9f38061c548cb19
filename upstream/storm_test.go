package upstream

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	"notyet/socket"
	"notyet/upstream/upstreamtest"
	"notyet/wire"
)

// pooled is an exchange that is used again as soon as it is done, as the resolver does.
type pooled struct {
	Exchange
	storm    *storm
	underWay atomic.Bool
	name     [wire.MaxName]byte
	query    [512]byte
}

// storm keeps a number of exchanges under way until a number of them has been done.
type storm struct {
	t        *testing.T
	upstream *Upstream
	pool     sync.Pool
	left     atomic.Int64 // exchanges that are still to be begun
	underWay sync.WaitGroup

	answers, timeouts, failures atomic.Int64
}

func (s *storm) begin() {
	n := s.left.Add(-1)
	if n < 0 {
		return
	}
	s.underWay.Add(1)
	x := s.pool.Get().(*pooled)
	if x.underWay.Swap(true) {
		s.t.Error("got an exchange from the pool that is under way")
	}
	label := fmt.Appendf(nil, "n%d", n)
	x.Name = append(append(append(x.name[:0], byte(len(label))), label...), "\x04test\x00"...)
	x.Type = dns.TypeTXT
	x.Query = wire.AppendQuery(x.query[:0], x.Name, x.Type, wire.RD, false)
	x.Deadline = time.Now().Add(rand.N(40 * time.Millisecond))
	s.upstream.Ask(&x.Exchange)
}

func (x *pooled) done(reply []byte, err error) {
	s := x.storm
	if !x.underWay.Swap(false) {
		s.t.Error("Done was called of an exchange that is not under way")
		return
	}
	switch {
	case err == nil:
		s.answers.Add(1)
		if !wire.MatchesQuestion(reply, x.Name, x.Type) || !bytes.Contains(reply, append([]byte("for "), x.Name[1:1+x.Name[0]]...)) {
			s.t.Errorf("%s: got the reply %q", wire.String(x.Name), reply)
		}
	case errors.Is(err, ErrTimeout):
		s.timeouts.Add(1)
	default:
		s.failures.Add(1)
	}
	s.pool.Put(x)
	s.begin()
	s.underWay.Done()
}

// mischief answers a query in every way that an upstream or a forger may, and some earlier ones too.
type mischief struct {
	mu      sync.Mutex
	earlier []*upstreamtest.Query // over UDP
}

func (m *mischief) handle(q *upstreamtest.Query) {
	name := q.Message().Question[0].Name
	good := upstreamtest.Answer(q.Wire, fmt.Sprintf("60 TXT %q", "for "+name[:len(name)-len(".test.")]))
	if q.TCP {
		if rand.IntN(4) == 0 {
			q.Hangup()
			return
		}
		q.Send(good)
		return
	}
	id := binary.BigEndian.Uint16(q.Wire)
	switch rand.IntN(8) {
	case 0: // a late reply, or never
	case 1:
		for range 3 {
			q.Send(good)
		}
	case 2:
		for range 10 {
			q.Send(setID(good, uint16(rand.Uint32())))
		}
		q.Send(good)
	case 3:
		other := slices.Clone(good)
		other[wire.HeaderLen+2] ^= 1 // another name
		q.Send(other)
		q.Send(good)
	case 4:
		q.Truncate()
		q.Send(good)
	case 5:
		q.Send(good[:rand.IntN(wire.HeaderLen+len(name)+4)]) // within the question
		q.Send(setID(good, id+1))
	default:
		q.Send(good)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.earlier = append(m.earlier, q)
	if len(m.earlier) < 100 {
		return
	}
	late := m.earlier[rand.IntN(50)]
	name = late.Message().Question[0].Name
	late.Answer(fmt.Sprintf("60 TXT %q", "for "+name[:len(name)-len(".test.")]))
	m.earlier = slices.Delete(m.earlier, 0, 1)
}

func TestEveryExchangeIsDoneOnce(t *testing.T) {
	t.Parallel()
	const exchanges, concurrent = 20_000, 64
	server := upstreamtest.New(t, new(mischief).handle)
	s := &storm{t: t, upstream: newUpstream(t, server.Addr)}
	s.pool.New = func() any {
		x := &pooled{storm: s}
		x.Done = x.done
		return x
	}
	s.left.Store(exchanges)
	for range concurrent {
		s.begin()
	}
	done := make(chan struct{})
	go func() {
		s.underWay.Wait()
		close(done)
	}()
	wait(t, done, fmt.Sprintf("%d exchanges", exchanges))
	answers, timeouts, failures := s.answers.Load(), s.timeouts.Load(), s.failures.Load()
	if answers+timeouts+failures != exchanges {
		t.Errorf("got %d answers, %d timeouts and %d failures, want %d in all", answers, timeouts, failures, exchanges)
	}
	if answers < exchanges/100 || timeouts == 0 {
		t.Errorf("got %d answers and %d timeouts of %d, want some of each", answers, timeouts, exchanges)
	}
	s.upstream.config.Deadlines.mu.Lock()
	defer s.upstream.config.Deadlines.mu.Unlock()
	if n := s.upstream.config.Deadlines.count; n != 0 {
		t.Errorf("got %d exchanges in the wheel, want 0", n)
	}
}

func FuzzReceive(f *testing.F) {
	const id = 0x1234
	name, err := wire.Name("www.example.com.")
	if err != nil {
		f.Fatal(err)
	}
	query := setID(wire.AppendQuery(nil, name, dns.TypeA, wire.RD, false), id)
	spelled := bytes.Clone(query)
	copy(spelled[wire.HeaderLen:], "\x03wWw\x07eXample")
	client := clientCookie([]byte("a cookie"))
	good := upstreamtest.Answer(query, "60 A 192.0.2.1")
	baked := func(cookie string) []byte {
		return upstreamtest.Pack(upstreamtest.WithCookie(upstreamtest.Reply(spelled), []byte(cookie)))
	}
	for _, b := range [][]byte{
		nil, query, good, good[:11], good[:20], setID(good, id+1), upstreamtest.Deny(query), upstreamtest.Rcode(query, dns.RcodeRefused),
		bytes.ToUpper(good), upstreamtest.Answer(spelled, "60 A 192.0.2.1"), upstreamtest.Rcode(query, dns.RcodeFormatError),
		upstreamtest.Rcode(query, dns.RcodeBadVers), upstreamtest.Rcode(spelled, dns.RcodeBadCookie),
		baked("a cookie"), baked("a cookie and more"), baked("another"), baked(""),
	} {
		f.Add(b)
	}
	group, err := socket.NewGroup(nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() {
		ended, end := context.WithCancel(context.Background())
		end()
		group.Run(ended) // which closes it
	})
	u := New(Config{Addr: netip.MustParseAddrPort("127.0.0.1:53"), Group: group, Metrics: NewMetrics(), Deadlines: NewDeadlines()})
	u.Close() // so that nothing is asked again
	question := wire.AppendQuestion(nil, name, dns.TypeA, dns.ClassINET)
	f.Fuzz(func(t *testing.T, b []byte) {
		mine := len(b) >= 12+len(question) && // id, QR and QUERY, one question, and that is ours
			binary.BigEndian.Uint16(b) == id && b[2]&0xF8 == 0x80 && b[4] == 0 && b[5] == 1 &&
			bytes.Equal(bytes.ToLower(b[12:12+len(name)]), name) && bytes.Equal(b[12+len(name):12+len(question)], question[len(name):])
		again := mine && (b[2]&2 != 0 || refuses(b)) // truncated, or asked in another form
		received := func(x *Exchange, mixed bool) []error {
			s := &source{upstream: u, cookie: client, pending: map[uint16]*Exchange{id: x}}
			var done []error
			x.upstream, x.Name, x.Type, x.mixed = u, name, dns.TypeA, mixed
			x.Done = func(_ []byte, err error) { done = append(done, err) }
			s.Receive(nil, bytes.Clone(b), nil)
			return done
		}
		switch done := received(&Exchange{Query: bytes.Clone(query)}, false); {
		case !mine && len(done) > 0:
			t.Errorf("%x: got Done called, want it left", b)
		case mine && (len(done) != 1 || again != errors.Is(done[0], ErrStopped)):
			t.Errorf("%x: got %v, want the reply taken, or asked again %v", b, done, again)
		}
		// With all that has to be guessed.
		u.habits = newHabits(nil, u.name)
		exact := mine && bytes.Equal(b[12:12+len(name)], spelled[12:12+len(name)])
		switch done := received(&Exchange{Query: bytes.Clone(spelled), course: course{form: cookied}}, true); {
		case !mine && len(done) > 0, len(done) > 1:
			t.Errorf("%x: got Done called with %v, want it left", b, done)
		case len(done) == 1 && done[0] == nil && !exact:
			t.Errorf("%x: got it taken, want its spelling not believed", b)
		}
	})
}
