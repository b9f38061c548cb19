package authority

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"
)

// world is a Finder among servers and an upstream that are functions. Time in it is fake.
type world struct {
	*Finder
	t     *testing.T
	began time.Time
	end   context.CancelFunc
	ended chan struct{}

	mu       sync.Mutex // guards all below
	servers  map[netip.AddrPort]handler
	up       handler
	from     netip.Addr // where the upstream is
	ours     netip.Addr
	queries  []query
	lookups  []string
	changes  []string
	observed []string
	budget   int // packets; negative: no end of them
	turns    int // how often a question was asked of a few servers
}

// query is one that came to a server.
type query struct {
	at       netip.AddrPort
	question string
	when     time.Duration
	msg      *dns.Msg
}

var errUnreachable = errors.New("connection refused")

// unreachable stands for that in the place of a reply.
var unreachable = new(dns.Msg)

// inWorld runs a test in fake time, and sees that the Finder leaves nothing behind.
func inWorld(t *testing.T, test func(w *world)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &world{
			t: t, began: time.Now(), servers: make(map[netip.AddrPort]handler), budget: -1,
			from: netip.MustParseAddr("192.0.2.253"), ended: make(chan struct{}),
		}
		w.Finder = New(Config{Exchange: w.exchange, Lookup: w.lookup, Changed: w.change, Ours: func(a netip.AddrPort) bool { return a.Addr() == w.ours }})
		ctx, cancel := context.WithCancel(t.Context())
		w.end = cancel
		go func() {
			w.Run(ctx)
			close(w.ended)
		}()
		test(w)
		cancel()
		<-w.ended
		time.Sleep(time.Minute) // replies on their way that nobody waits for
	})
}

// serve lets a server answer at these addresses.
func (w *world) serve(h handler, addrs ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, a := range addrs {
		w.servers[netip.AddrPortFrom(netip.MustParseAddr(a), 53)] = h
	}
}

func (w *world) upstream(h handler) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.up = h
}

func (w *world) exchange(ctx context.Context, at netip.AddrPort, q *dns.Msg) (*dns.Msg, error) {
	question := questionText(q.Question[0].Name, q.Question[0].Qtype)
	w.mu.Lock()
	h := w.servers[at]
	w.queries = append(w.queries, query{at, question, time.Since(w.began), q})
	w.mu.Unlock()
	if q.RecursionDesired {
		w.t.Errorf("query to %v for %s: got RD set, want it clear", at, question)
	}
	if h == nil {
		return nil, errUnreachable
	}
	return answered(ctx, h, q.Copy())
}

func (w *world) lookup(ctx context.Context, qname string, qtype uint16) (*dns.Msg, netip.Addr, error) {
	w.mu.Lock()
	h, from := w.up, w.from
	w.lookups = append(w.lookups, questionText(qname, qtype))
	w.mu.Unlock()
	m, err := answered(ctx, h, new(dns.Msg).SetQuestion(qname, qtype))
	return m, from, err
}

// answered waits for a reply until ctx ends.
func answered(ctx context.Context, h handler, q *dns.Msg) (*dns.Msg, error) {
	reply := make(chan *dns.Msg, 1)
	go func() { reply <- h(q) }()
	select {
	case m := <-reply:
		switch m {
		default:
			return m, nil
		case unreachable:
			return nil, errUnreachable
		case nil:
			<-ctx.Done()
		}
	case <-ctx.Done():
	}
	return nil, ctx.Err()
}

func (w *world) change(c Change) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := c.Zone
	if len(c.Servers) > 0 {
		s += fmt.Sprint(" at ", c.Servers)
	}
	if c.Why == nil {
		s += " can be asked"
	} else {
		s += " " + c.Why.Error()
	}
	w.changes = append(w.changes, s)
}

func (w *world) observe(result string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.observed = append(w.observed, result)
}

func (w *world) take(n int) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.budget < 0 {
		return true
	}
	if w.budget < n {
		return false
	}
	w.budget -= n
	return true
}

// request is one as in "www.shipit.dev. A +do +few", under a watch on shipit.dev.
func (w *world) request(text string) Request {
	w.t.Helper()
	fields := strings.Fields(text)
	r := Request{Name: fields[0], Type: dns.StringToType[fields[1]], Watch: "shipit.dev.", Take: w.take, Observe: w.observe}
	for _, option := range fields[2:] {
		value, at, _ := strings.Cut(option, "=")
		switch value {
		case "+do":
			r.DO = true
		case "+few":
			r.Few, r.Turn = true, w.turns
			w.turns++
		case "watch":
			r.Watch = at
		case "at":
			r.Servers = append(r.Servers, netip.MustParseAddrPort(at))
		default:
			w.t.Fatalf("request %q: what is %s?", text, option)
		}
	}
	return r
}

// ask asks and says what came of it and after which time, as in
// "positive A 192.0.2.7 | have ns1.shipit.dev | lack ns2.shipit.dev".
func (w *world) ask(text string) (*Answer, string, time.Duration) {
	w.t.Helper()
	began := time.Now()
	a, err := w.Ask(w.t.Context(), w.request(text))
	took := time.Since(began)
	if err != nil {
		return nil, err.Error(), took
	}
	return a, answerText(a), took
}

// want checks what comes of a question, and when.
func (w *world) want(question, want string, took time.Duration) *Answer {
	w.t.Helper()
	a, got, after := w.ask(question)
	if got != want || after != took {
		w.t.Errorf("%s\n got %s after %v\nwant %s after %v", question, got, after, want, took)
	}
	return a
}

// wantAll checks what comes of a question once every server has been heard, and when that is.
func (w *world) wantAll(question, want string, took time.Duration) *Answer {
	w.t.Helper()
	began := time.Now()
	a, got, _ := w.ask(question)
	if a != nil {
		a = a.Rest(w.t.Context())
		got = answerText(a)
	}
	if after := time.Since(began); got != want || after != took {
		w.t.Errorf("%s\n got %s after %v\nwant %s after %v", question, got, after, want, took)
	}
	return a
}

// rest checks what an answer is once it is complete, and when.
func (w *world) rest(a *Answer, want string, took time.Duration) {
	w.t.Helper()
	began := time.Now()
	if got := answerText(a.Rest(w.t.Context())); got != want || time.Since(began) != took {
		w.t.Errorf("the rest\n got %s after %v\nwant %s after %v", got, time.Since(began), want, took)
	}
}

func answerText(a *Answer) string {
	s := a.Kind.String()
	for _, rr := range a.Msg.Answer {
		s += " " + recordText(rr, a.Msg.Question[0].Name)
	}
	if a.Target != "" {
		s += " -> " + a.Target
	}
	for _, list := range []struct {
		what  string
		names []string
	}{{"have", a.Have}, {"lack", a.Lack}, {"silent", a.Silent}, {"spared", a.Spared}} {
		if len(list.names) > 0 {
			s += " | " + list.what + " " + strings.Join(list.names, " ")
		}
	}
	return s
}

// recordText leaves out the owner when it is the name, and the TTL.
func recordText(rr dns.RR, name string) string {
	f := strings.Fields(rr.String())
	s := strings.Join(f[3:], " ")
	if f[0] != name {
		s = f[0] + " " + s
	}
	return s
}

func questionText(qname string, qtype uint16) string { return qname + " " + dns.TypeToString[qtype] }

// count says how many queries servers got for a question.
func (w *world) count(question string) (n int) {
	for _, asked := range w.asked() {
		if _, q, _ := strings.Cut(asked, " "); q == question {
			n++
		}
	}
	return n
}

// asked says what servers were asked, as in "192.0.2.1 www.shipit.dev. A", once per query and in order of the server.
func (w *world) asked() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []string
	for _, q := range w.queries {
		all = append(all, q.at.Addr().String()+" "+q.question)
	}
	slices.Sort(all)
	return all
}

// times says when a server was asked a question, as in "0s 500ms".
func (w *world) times(at, question string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []string
	for _, q := range w.queries {
		if q.at.Addr().String() == at && q.question == question {
			all = append(all, q.when.String())
		}
	}
	return strings.Join(all, " ")
}

// forget forgets what was asked so far.
func (w *world) forget() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.queries, w.lookups, w.observed = nil, nil, nil
}

// forgetStarts lets discovery begin anew for every name, as if it were the first question.
func (w *world) forgetStarts() {
	w.Finder.mu.Lock()
	defer w.Finder.mu.Unlock()
	w.starts.Purge()
}

func (w *world) forgetZone(apex string) {
	w.Finder.mu.Lock()
	defer w.Finder.mu.Unlock()
	w.zones.Remove(key{name: apex})
}

// same checks a list, whatever its order.
func (w *world) same(what string, got []string, want ...string) {
	w.t.Helper()
	got, want = sorted(got), sorted(want)
	if !slices.Equal(got, want) {
		w.t.Errorf("%s\n got %s\nwant %s", what, strings.Join(got, ", "), strings.Join(want, ", "))
	}
}

// wantLookups checks what the upstream was asked since the last time.
func (w *world) wantLookups(want ...string) {
	w.t.Helper()
	w.mu.Lock()
	got := w.lookups
	w.lookups = nil
	w.mu.Unlock()
	w.same("asked at the upstream", got, want...)
}

// wantChanges checks what Changed was told since the last time.
func (w *world) wantChanges(want ...string) {
	w.t.Helper()
	synctest.Wait()
	w.mu.Lock()
	got := w.changes
	w.changes = nil
	w.mu.Unlock()
	if !slices.Equal(got, want) {
		w.t.Errorf("changes\n got %q\nwant %q", got, want)
	}
}

func rr(format string, args ...any) dns.RR {
	rr, err := dns.NewRR(fmt.Sprintf(format, args...))
	if err != nil {
		panic(err)
	}
	return rr
}

// rrs are records, one a line.
func rrs(text string) (all []dns.RR) {
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			all = append(all, rr("%s", line))
		}
	}
	return all
}

// The zone that most tests are about: two name servers in the zone itself.
const shipit = `
shipit.dev.      300 NS  ns1.shipit.dev.
shipit.dev.      300 NS  ns2.shipit.dev.
ns1.shipit.dev.  300 A   192.0.2.1
ns2.shipit.dev.  300 A   192.0.2.2
www.shipit.dev.  60  A   192.0.2.7
`

// inShipit is inWorld with that zone, served and known to the upstream.
func inShipit(t *testing.T, test func(w *world, zone *zoneData)) {
	t.Helper()
	inWorld(t, func(w *world) {
		zone := zoneOf(t, "shipit.dev.", shipit)
		w.serve(authoritative(zone), "192.0.2.1", "192.0.2.2")
		w.upstream(recursive(zone))
		test(w, zone)
	})
}

// byName is what the upstream is asked to find the servers of shipit.dev.
var byName = []string{
	"shipit.dev. NS", "shipit.dev. SOA",
	"ns1.shipit.dev. A", "ns1.shipit.dev. AAAA", "ns2.shipit.dev. A", "ns2.shipit.dev. AAAA",
}
