package resolver

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"
	"go.uber.org/goleak"

	"notyet/cache"
	"notyet/upstream"
	"notyet/upstream/upstreamtest"
	"notyet/wire"
)

// patience is how long a test waits for what has to happen.
const patience = 20 * time.Second

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fake is an Upstream that answers as a function says.
type fake struct {
	name   string
	answer func(*upstream.Exchange)
	health *upstream.Health

	mu     sync.Mutex
	asked  []time.Time // probes excepted
	probed []time.Time
	began  time.Time // what the moments are counted from
}

func newFake(name string, answer func(*upstream.Exchange)) *fake {
	return &fake{name: name, answer: answer, health: upstream.NewHealth(), began: time.Now()}
}

func (f *fake) String() string { return f.name }

func (f *fake) Health() *upstream.Health { return f.health }

func (f *fake) Addr() netip.AddrPort { return netip.MustParseAddrPort("192.0.2.53:53") }

func (f *fake) Ask(x *upstream.Exchange) {
	f.mu.Lock()
	if bytes.Contains(x.Name, []byte(probeLabel)) {
		f.probed = append(f.probed, time.Now())
	} else {
		f.asked = append(f.asked, time.Now())
	}
	answer := f.answer
	f.mu.Unlock()
	answer(x)
}

// change lets the upstream answer differently from now on.
func (f *fake) change(answer func(*upstream.Exchange)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answer = answer
}

// asks says when the upstream was asked, as in "0s 2s".
func (f *fake) asks() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return moments(f.asked, f.began)
}

func (f *fake) probes() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return moments(f.probed, f.began)
}

func moments(all []time.Time, began time.Time) string {
	s := make([]string, len(all))
	for i, t := range all {
		s[i] = t.Sub(began).String()
	}
	return strings.Join(s, " ")
}

func (f *fake) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.asked)
}

// reply gives a reply, whose bytes are used for something else afterwards.
func reply(x *upstream.Exchange, m []byte) {
	x.Done(m, nil)
	for i := range m {
		m[i] = 0xFF
	}
}

// records answers at once with records of the qname.
func records(all ...string) func(*upstream.Exchange) {
	return func(x *upstream.Exchange) { reply(x, upstreamtest.Answer(x.Query, all...)) }
}

func nxdomain(x *upstream.Exchange) { reply(x, upstreamtest.Deny(x.Query)) }

func rcode(rcode int) func(*upstream.Exchange) {
	return func(x *upstream.Exchange) { reply(x, upstreamtest.Rcode(x.Query, rcode)) }
}

// failing answers SERVFAIL with an extended error.
func failing(code uint16, text string) func(*upstream.Exchange) {
	return func(x *upstream.Exchange) { reply(x, upstreamtest.Failed(x.Query, code, text)) }
}

// referral sends the asker to other servers.
func referral(x *upstream.Exchange) {
	m := upstreamtest.Reply(x.Query)
	m.RecursionAvailable = false
	m.Ns = []dns.RR{upstreamtest.RR("example.com. 60 NS ns.example.net.")}
	reply(x, upstreamtest.Pack(m))
}

// garbage has the question and nothing that parses behind it.
func garbage(x *upstream.Exchange) {
	m := upstreamtest.Answer(x.Query, "60 A 192.0.2.1")
	reply(x, m[:len(m)-13])
}

func unreachable(x *upstream.Exchange) { x.Done(nil, errors.New("connection refused")) }

// dead never answers: an attempt ends after 2 s or at the exchange's deadline.
func dead(x *upstream.Exchange) {
	time.AfterFunc(min(2*time.Second, time.Until(x.Deadline)), func() { x.Done(nil, upstream.ErrTimeout) })
}

// slow answers after a time.
func slow(d time.Duration, answer func(*upstream.Exchange)) func(*upstream.Exchange) {
	return func(x *upstream.Exchange) { time.AfterFunc(d, func() { answer(x) }) }
}

// bed is a resolver with its cache and log.
type bed struct {
	*Resolver
	t     testing.TB
	cache *cache.Cache
	log   *logBuffer
	began time.Time
	asked int // by askMany
}

// newBed makes a resolver with one route, in order.
func newBed(t testing.TB, upstreams ...Upstream) *bed {
	t.Helper()
	return newBedOf(t, Config{Routes: []Route{{Zone: []byte{0}, Upstreams: upstreams}}})
}

func newBedOf(t testing.TB, config Config) *bed {
	t.Helper()
	b := &bed{t: t, log: new(logBuffer), began: time.Now()}
	b.cache = cache.New(cache.Config{Memory: 64 << 20, MaxTTL: 24 * time.Hour, MaxNegativeTTL: 15 * time.Minute}, time.Now())
	config.Cache = b.cache
	config.Log = slog.New(slog.NewTextHandler(b.log, nil))
	b.Resolver = New(config)
	return b
}

// logBuffer is what has been logged.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *logBuffer) lines() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Split(strings.TrimSpace(l.b.String()), "\n")
}

// question is a question as in "www.example.com. AAAA +do +cd +norec".
func (b *bed) question(text string) (q Query, asked wire.Query) {
	b.t.Helper()
	fields := strings.Fields(text)
	name, err := wire.Name(fields[0])
	if err != nil {
		b.t.Fatalf("question %q: %v", text, err)
	}
	asked = wire.Query{Flags: wire.RD, Name: name, Type: dns.StringToType[fields[1]], Class: dns.ClassINET, EDNS: wire.EDNS{Present: true}}
	for _, option := range fields[2:] {
		switch option {
		case "+do":
			asked.EDNS.DO = true
		case "+cd":
			asked.Flags |= wire.CD
		case "+norec":
			asked.Flags &^= wire.RD
		default:
			b.t.Fatalf("question %q: what is %s?", text, option)
		}
	}
	key := b.cache.Key(nil, asked.Name, asked.Type, asked.EDNS.DO, asked.Flags.Has(wire.CD))
	return Query{Key: key, RD: asked.Flags.Has(wire.RD)}, asked
}

// answer is what a client got.
type answer struct {
	text string        // as in "NOERROR A 192.0.2.1", or `SERVFAIL 22 "notyet: 192.0.2.1:53: timeout"`
	took time.Duration // until then
}

// start gives the resolver a query; every call of Done shows in the channel.
func (b *bed) start(text string) <-chan answer {
	b.t.Helper()
	q, asked := b.question(text)
	done := make(chan answer, 8)
	began := time.Now()
	q.Done = func(e *cache.Entry) { done <- answer{b.text(e, &asked), time.Since(began)} }
	b.Serve(&q)
	clear(q.Key.Name) // the asker's again
	return done
}

// ask looks into the cache and then asks the resolver, as the server does.
func (b *bed) ask(text string) answer {
	b.t.Helper()
	q, asked := b.question(text)
	var e cache.Entry
	if b.cache.Get(&e, q.Key, time.Now()) {
		return answer{text: "cached " + b.text(&e, &asked)}
	}
	return b.wait(b.start(text))
}

func (b *bed) wait(done <-chan answer) answer {
	b.t.Helper()
	select {
	case a := <-done:
		return a
	case <-time.After(patience):
		b.t.Fatalf("no answer within %v", patience)
		return answer{}
	}
}

// want asks and checks the answer and after which time it comes.
func (b *bed) want(question, text string, took time.Duration) {
	b.t.Helper()
	if got := b.ask(question); got.text != text || got.took != took {
		b.t.Errorf("%s: got %s after %v, want %s after %v", question, got.text, got.took, text, took)
	}
}

func (b *bed) text(e *cache.Entry, asked *wire.Query) string {
	m := new(dns.Msg)
	if err := m.Unpack(b.cache.AppendReply(nil, e, asked, wire.MaxMessage, time.Now())); err != nil {
		return err.Error()
	}
	if got, want := m.Question[0].String(), (&dns.Question{Name: wire.String(asked.Name), Qtype: asked.Type, Qclass: asked.Class}).String(); got != want {
		b.t.Errorf("got the answer to %s, want that to %s", got, want)
	}
	s := dns.RcodeToString[m.Rcode]
	for _, rr := range m.Answer {
		s += " " + strings.Join(strings.Fields(rr.String())[3:], " ")
	}
	for _, o := range m.IsEdns0().Option {
		if ede, ok := o.(*dns.EDNS0_EDE); ok {
			s += fmt.Sprintf(" %d %q", ede.InfoCode, ede.ExtraText)
		}
	}
	return s
}

// idle reports what is still under way.
func (b *bed) idle() {
	b.t.Helper()
	if q, x := b.queries.Load(), b.exchanges.Load(); q != 0 || x != 0 {
		b.t.Errorf("got %d queries and %d exchanges under way, want none", q, x)
	}
	for i := range b.shards {
		if n := len(b.shards[i].calls); n != 0 {
			b.t.Errorf("shard %d: got %d calls, want none", i, n)
		}
	}
}

// inBubble runs a test in fake time.
func inBubble(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		test(t)
		time.Sleep(time.Minute) // of fake time: what is still under way ends
	})
}
