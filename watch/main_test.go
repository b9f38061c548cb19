package watch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"notyet/authority"
	"notyet/cache"
	"notyet/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const zoneSOA = "shipit.dev. 3600 SOA ns1.shipit.dev. host.shipit.dev. 1 7200 900 1209600 60"

// defaults are the options that a file without any has.
var defaults = Options{
	NegativeTTL: 2 * time.Second, NODATATTL: 30 * time.Second, UpstreamAfter: 10 * time.Second,
	Poll: time.Second, GiveUp: 15 * time.Minute, QueriesPerSecond: 50,
}

// bed is a set among name servers that are in memory. It is for one bubble.
type bed struct {
	*Set
	t     testing.TB
	cache *cache.Cache
	began time.Time
	log   bytes.Buffer

	mu       sync.Mutex
	own      [3]map[string]string // by server: question as in "www.shipit.dev. A" → records, or "NXDOMAIN"; none: NXDOMAIN, NODATA if the name has others
	ownErr   error                // of asking the servers
	ownDelay time.Duration
	bare     bool                         // denials of the servers have no SOA
	updates  uint32                       // of the servers' zone, which are in its serial
	above    func(question string) string // what the upstream says: records, NXDOMAIN, NODATA, SERVFAIL, DEAD, BLOCKED, FOREIGN, ABOVE, BARE, CHAIN
	asked    []string                     // of the servers, as in "0s www.shipit.dev. A"
	forward  []string                     // of the upstream
}

// newBed makes a set that watches shipit.dev, and runs it until the bubble's test ends.
func newBed(t *testing.T, options Options) *bed {
	t.Helper()
	b := &bed{t: t, began: time.Now(), above: func(string) string { return "NXDOMAIN" }}
	for i := range b.own {
		b.own[i] = make(map[string]string)
	}
	b.cache = cache.New(cache.Config{Memory: 64 << 20, MaxTTL: 24 * time.Hour, MaxNegativeTTL: time.Hour, Stale: time.Hour}, time.Now())
	set, err := New(Config{
		Watches: []Zone{{Name: "shipit.dev", Options: options}}, Cache: b.cache,
		Ask: b.ask, Forward: b.ask0, Log: slog.New(slog.NewTextHandler(&b.log, nil)),
	})
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	b.Set = set
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); set.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-ended })
	return b
}

// Lease begins a lease with options that depend on no other watch.
func (b *bed) Lease(name string, options Options, until time.Time) error {
	_, err := b.Set.Lease(name, func(*Options) Options { return options }, until)
	return err
}

// publish lets servers have a record, all of them when none is named.
func (b *bed) publish(question, records string, servers ...int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(servers) == 0 {
		servers = []int{0, 1, 2}
	}
	for _, i := range servers {
		if records == "" {
			delete(b.own[i], question)
			continue
		}
		b.own[i][question] = records
	}
}

func (b *bed) upstream(says func(question string) string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.above = says
}

// constant is an upstream that always says the same.
func constant(says string) func(string) string { return func(string) string { return says } }

// at is the time since the beginning.
func (b *bed) at() time.Duration { return time.Since(b.began) }

// ask stands in for authority.Finder: three servers, all of the zone shipit.dev.
func (b *bed) ask(ctx context.Context, r authority.Request) (*authority.Answer, error) {
	if !r.Take(1) {
		return nil, authority.ErrBudget
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	q := r.Name + " " + dns.TypeToString[r.Type]
	b.asked = append(b.asked, fmt.Sprint(b.at(), " ", q))
	if delay := b.ownDelay; delay > 0 {
		b.mu.Unlock()
		time.Sleep(delay)
		b.mu.Lock()
	}
	if b.ownErr != nil {
		return nil, b.ownErr
	}
	soa := mustRR(zoneSOA).(*dns.SOA)
	best := &authority.Answer{Kind: wire.NXDOMAIN, Zone: "shipit.dev.", SOA: soa}
	for i, has := range b.own {
		name := fmt.Sprintf("ns%d.shipit.dev", i+1)
		a := b.answer(has, r.Name, r.Type)
		if a.Kind == wire.Positive || a.Target != "" {
			best.Have = append(best.Have, name)
		} else {
			best.Lack = append(best.Lack, name)
		}
		if best.Msg == nil || rank(a) > rank(best) {
			best.Kind, best.Msg, best.Target = a.Kind, a.Msg, a.Target
		}
	}
	return best, nil
}

func rank(a *authority.Answer) int {
	switch {
	case a.Target != "" || a.Kind == wire.Positive:
		return 2
	case a.Kind == wire.NODATA:
		return 1
	}
	return 0
}

func (b *bed) answer(has map[string]string, name string, qtype uint16) *authority.Answer {
	m := new(dns.Msg).SetQuestion(name, qtype)
	a := &authority.Answer{Kind: wire.Positive, Msg: m}
	if cname := has[name+" CNAME"]; cname != "" && qtype != dns.TypeCNAME {
		m.Answer = []dns.RR{mustRR(name + " 60 CNAME " + cname)}
		a.Target = cname
		return a
	}
	for record := range strings.SplitSeq(has[name+" "+dns.TypeToString[qtype]], "|") {
		if record != "" {
			m.Answer = append(m.Answer, mustRR(name+" "+record))
		}
	}
	if len(m.Answer) > 0 {
		return a
	}
	a.Kind, m.Rcode = wire.NXDOMAIN, dns.RcodeNameError
	for q := range has {
		if strings.HasPrefix(q, name+" ") || strings.HasSuffix(strings.Fields(q)[0], "."+name) {
			a.Kind, m.Rcode = wire.NODATA, dns.RcodeSuccess
		}
	}
	if !b.bare {
		soa := mustRR(zoneSOA).(*dns.SOA)
		soa.Serial += b.updates
		m.Ns = []dns.RR{soa}
	}
	return a
}

// ask0 stands in for the upstream.
func (b *bed) ask0(k cache.Key, done func(*wire.Reply, []byte)) {
	name := wire.String(k.Name)
	q := name + " " + dns.TypeToString[k.Type]
	b.mu.Lock()
	b.forward = append(b.forward, fmt.Sprint(b.at(), " ", q))
	says := b.above(q)
	b.mu.Unlock()
	m := new(dns.Msg).SetQuestion(name, k.Type)
	m.Response, m.RecursionAvailable = true, true
	m.SetEdns0(1232, k.DO)
	switch says {
	case "SERVFAIL":
		done(nil, wire.AppendEDE(nil, dns.ExtendedErrorCodeDNSBogus, "bogus"))
		return
	case "DEAD":
		done(nil, wire.AppendEDE(nil, dns.ExtendedErrorCodeNoReachableAuthority, "timeout"))
		return
	case "NXDOMAIN", "BLOCKED", "FOREIGN", "ABOVE", "BARE":
		m.Rcode = dns.RcodeNameError
		m.Ns = []dns.RR{mustRR(zoneSOA)}
		switch says {
		case "BARE":
			m.Ns = nil
		case "ABOVE":
			m.Ns = []dns.RR{mustRR("dev. 900 SOA a. b. 1 2 3 4 900")}
		case "FOREIGN":
			m.Ns = []dns.RR{mustRR("blocked.example. 60 SOA a. b. 1 2 3 4 60")}
		case "BLOCKED":
			m.IsEdns0().Option = []dns.EDNS0{&dns.EDNS0_EDE{InfoCode: dns.ExtendedErrorCodeBlocked, ExtraText: "blocked"}}
		}
	case "CHAIN":
		m.Rcode = dns.RcodeNameError
		m.Answer = []dns.RR{mustRR(name + " 60 CNAME target.shipit.dev.")}
		m.Ns = []dns.RR{mustRR(zoneSOA)}
	case "NODATA":
		m.Ns = []dns.RR{mustRR(zoneSOA)}
	default:
		for record := range strings.SplitSeq(says, "|") {
			if !strings.HasSuffix(strings.Fields(record)[0], ".") {
				record = name + " " + record
			}
			m.Answer = append(m.Answer, mustRR(record))
		}
	}
	packed, err := m.Pack()
	if err != nil {
		b.t.Errorf("pack: %v", err)
	}
	var r wire.Reply
	if err := wire.ParseReply(packed, k.Name, k.Type, &r); err != nil {
		b.t.Errorf("%s: %v", q, err)
	}
	done(&r, nil)
}

func mustRR(s string) dns.RR {
	rr, err := dns.NewRR(s)
	if err != nil {
		panic(err)
	}
	return rr
}

// start asks as the resolver does, for "www.shipit.dev. A +do +cd"; held clients wait.
func (b *bed) start(text string) <-chan string {
	b.t.Helper()
	q, asked := b.question(text)
	done := make(chan string, 2)
	var e cache.Entry
	if b.cache.Get(&e, q.Key, time.Now()) {
		done <- b.text(&e, &asked)
		return done
	}
	q.Done = func(e *cache.Entry) { done <- b.text(e, &asked) }
	q.Hold = func(*cache.Entry) bool { return true }
	b.Serve(q)
	return done
}

func (b *bed) question(text string) (q Question, asked wire.Query) {
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
		}
	}
	q.Key = b.cache.Key(nil, asked.Name, asked.Type, asked.EDNS.DO, asked.Flags.Has(wire.CD))
	return q, asked
}

// get is what a client gets, as in "NOERROR A 192.0.2.1".
func (b *bed) get(text string) string {
	b.t.Helper()
	answer := <-b.start(text)
	synctest.Wait() // for what goes on once it is answered
	return answer
}

func (b *bed) want(text, want string) {
	b.t.Helper()
	if got := b.get(text); got != want {
		b.t.Errorf("%v: %s: got %s, want %s", b.at(), text, got, want)
	}
}

// text is an answer without TTLs and extended errors.
func (b *bed) text(e *cache.Entry, asked *wire.Query) string {
	m := b.message(e, asked)
	s := dns.RcodeToString[m.Rcode]
	for _, rr := range m.Answer {
		s += " " + strings.Join(strings.Fields(rr.String())[3:], " ")
	}
	return s
}

func (b *bed) message(e *cache.Entry, asked *wire.Query) *dns.Msg {
	m := new(dns.Msg)
	if err := m.Unpack(b.cache.AppendReply(nil, e, asked, wire.MaxMessage, time.Now())); err != nil {
		b.t.Errorf("reply: %v", err)
	}
	return m
}

// ede is the text of the extended error in the cached answer.
func (b *bed) ede(text string) string {
	b.t.Helper()
	q, asked := b.question(text)
	e := b.cache.Peek(q.Key, time.Now())
	if e == nil {
		return "not cached"
	}
	for _, o := range b.message(e, &asked).IsEdns0().Option {
		if ede, ok := o.(*dns.EDNS0_EDE); ok {
			return ede.ExtraText
		}
	}
	return ""
}

// wantAsked checks what the zone's servers and the upstream were asked since the last call.
func (b *bed) wantAsked(own, upstream string) {
	b.t.Helper()
	synctest.Wait()
	b.mu.Lock()
	defer b.mu.Unlock()
	if got := strings.Join(b.asked, ", "); got != own {
		b.t.Errorf("%v: the zone's servers were asked %q, want %q", b.at(), got, own)
	}
	if got := strings.Join(b.forward, ", "); got != upstream {
		b.t.Errorf("%v: the upstream was asked %q, want %q", b.at(), got, upstream)
	}
	b.asked, b.forward = nil, nil
}

func (b *bed) forget() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.asked, b.forward = nil, nil
}

// counted is the sum of a metric's samples.
func counted(t testing.TB, s *Set, name string, labels ...string) float64 {
	t.Helper()
	r := prometheus.NewPedanticRegistry()
	r.MustRegister(s.Metrics()...)
	families, err := r.Gather()
	if err != nil {
		t.Fatalf("gather: %v", err)
	}
	var sum float64
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			var set []string
			for _, l := range m.GetLabel() {
				set = append(set, l.GetName()+"="+l.GetValue())
			}
			all := strings.Join(set, ",")
			for _, l := range labels {
				if !strings.Contains(all, l) {
					all = ""
				}
			}
			if all != "" || len(labels) == 0 {
				sum += m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
			}
		}
	}
	return sum
}

var errClosed = authority.Degraded{Zone: "shipit.dev.", Why: errors.New("connection refused")}

func inBubble(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, test)
}
