package wait

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"
	"go.uber.org/goleak"

	"notyet/authority"
	"notyet/upstream"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a silent server is waited for.
const patience = 1500 * time.Millisecond

// world has zones whose servers say different things at different times. Time in it is fake.
type world struct {
	t     *testing.T
	began time.Time

	mu       sync.Mutex // guards all below
	zones    map[string][]*server
	degraded map[string]error
	absent   []string // of any zone
	asked    []string // names, once for each question
}

// server is one server of a zone.
type server struct {
	name    string
	zone    []string // records, without TTL
	fault   error    // what it does instead of answering
	counted bool     // it was there when the zone was found
}

var errTimeout = upstream.ErrTimeout

// inWorld runs a test among the servers of shipit.dev and other.dev: ns1 and ns2 each.
func inWorld(t *testing.T, test func(w *world)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, began: time.Now(), zones: make(map[string][]*server), degraded: make(map[string]error)}
		for _, apex := range []string{"shipit.dev.", "other.dev."} {
			for _, ns := range []string{"ns1.", "ns2."} {
				w.zones[apex] = append(w.zones[apex], &server{name: strings.TrimSuffix(ns+apex, "."), counted: true})
			}
		}
		test(w)
	})
}

// at has something done at a server of a zone after a while; ns is 1 or 2.
func (w *world) at(after time.Duration, apex string, ns int, do func(s *server)) {
	time.AfterFunc(after, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		do(w.zones[apex][ns-1])
	})
}

// publish adds a record at a server after a while.
func (w *world) publish(after time.Duration, apex string, ns int, record string) {
	w.at(after, apex, ns, func(s *server) { s.zone = append(s.zone, record) })
}

// remove takes a record away.
func (w *world) remove(after time.Duration, apex string, ns int, record string) {
	w.at(after, apex, ns, func(s *server) {
		s.zone = slices.DeleteFunc(s.zone, func(r string) bool { return r == record })
	})
}

// everywhere has a record at all servers of a zone from the start.
func (w *world) everywhere(apex, record string) {
	for _, s := range w.zones[apex] {
		s.zone = append(s.zone, record)
	}
}

func (w *world) ask(ctx context.Context, r authority.Request) (*authority.Answer, error) {
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked = append(w.asked, r.Name)
	apex := ""
	for z := range w.zones {
		if dns.IsSubDomain(z, r.Name) {
			apex = z
		}
	}
	if why := w.degraded[apex]; why != nil {
		return nil, authority.Degraded{Zone: apex, Why: why}
	}
	a := &authority.Answer{Zone: apex, Absent: w.absent}
	answered, waits := false, false
	for _, s := range w.zones[apex] {
		reply := authority.Reply{Server: authority.Server{Name: s.name}}
		if s.counted {
			reply.At = time.Now()
		}
		if s.fault != nil {
			reply.Fault = s.fault
			waits = waits || s.fault == errTimeout && s.counted
		} else {
			reply.Said = authority.Judge(s.reply(w.t, apex, r.Name, r.Type), apex, r.Name, r.Type)
			answered = true
		}
		a.Replies = append(a.Replies, reply)
	}
	if waits {
		w.mu.Unlock()
		err := sleep(ctx, patience)
		w.mu.Lock()
		if err != nil {
			return nil, err
		}
	}
	if !answered {
		return nil, authority.Silent{Zone: apex, Replies: a.Replies}
	}
	return a, nil
}

// reply is what a server says that has the records.
func (s *server) reply(t *testing.T, apex, qname string, qtype uint16) *dns.Msg {
	t.Helper()
	m := new(dns.Msg).SetQuestion(qname, qtype)
	m.Response, m.Authoritative, m.Rcode = true, true, dns.RcodeNameError
	for end, again := qname, true; again; {
		again = false
		owners := []string{end}
		if !slices.ContainsFunc(s.zone, func(r string) bool { return strings.HasPrefix(r, end+" ") }) {
			_, rest, _ := strings.Cut(end, ".")
			owners = append(owners, "*."+rest)
		}
		for _, record := range s.zone {
			owner, data, _ := strings.Cut(record, " ")
			if !slices.Contains(owners, owner) {
				continue
			}
			m.Rcode = dns.RcodeSuccess
			rr, err := dns.NewRR(end + " 60 IN " + data)
			if err != nil {
				t.Fatalf("record %q: %v", record, err)
			}
			switch cname, isCNAME := rr.(*dns.CNAME); {
			case rr.Header().Rrtype == qtype:
				m.Answer = append(m.Answer, rr)
			case isCNAME:
				m.Answer = append(m.Answer, rr)
				end, again = cname.Target, dns.IsSubDomain(apex, cname.Target)
				if again {
					m.Rcode = dns.RcodeNameError
				}
			}
		}
	}
	if len(m.Answer) == 0 || m.Rcode != dns.RcodeSuccess {
		soa, err := dns.NewRR(apex + " 60 IN SOA ns1." + apex + " hostmaster." + apex + " 1 3600 600 86400 60")
		if err != nil {
			t.Fatal(err)
		}
		m.Ns = []dns.RR{soa}
	}
	return m
}

// waits runs a wait for up to a time. The name has to be there, or else be waited for like "NAME TYPE VALUE...".
func (w *world) waits(what string, limit time.Duration, change func(*Config)) (*Report, error) {
	w.t.Helper()
	fields := strings.Fields(what)
	c := Config{Name: fields[0], Type: dns.StringToType[fields[1]], Ask: w.ask, Request: func(qname string, qtype uint16) authority.Request {
		return authority.Request{Name: qname, Type: qtype}
	}}
	for _, v := range fields[2:] {
		e, err := ParseValue(v, c.Type)
		if err != nil {
			w.t.Fatal(err)
		}
		c.Expect = append(c.Expect, e)
	}
	if change != nil {
		change(&c)
	}
	ctx, cancel := context.WithTimeout(w.t.Context(), limit)
	defer cancel()
	return Run(ctx, c)
}

// reportText is a report as in "ns1.shipit.dev ready 192.0.2.7 2s, …".
func reportText(r *Report) string {
	var all []string
	for _, n := range r.Names {
		if n.Name != r.Name {
			all = append(all, n.Name)
		}
		if n.Fault != "" {
			all = append(all, n.Fault)
		}
		for _, s := range n.Servers {
			line := s.Name + " " + string(s.State) + " " + strings.Join(s.Says, "+")
			all = append(all, line+" "+time.Duration(s.After).String())
		}
	}
	return strings.Join(all, ", ")
}

// wantDone checks how a wait ends that ends well.
func (w *world) wantDone(r *Report, err error, took time.Duration, want string) {
	w.t.Helper()
	if err != nil || !r.Done {
		w.t.Fatalf("got %v, want it done\n%s", err, reportText(r))
	}
	if got := time.Duration(r.Took); got != took {
		w.t.Errorf("got it done after %v, want %v", got, took)
	}
	if got := reportText(r); got != want {
		w.t.Errorf("got  %s\nwant %s", got, want)
	}
	if missing := r.Missing(); len(missing) > 0 && !strings.Contains(want, "behind") {
		w.t.Errorf("got %q missing, want nothing", missing)
	}
}

// wantMissing checks how a wait ends whose time runs out.
func (w *world) wantMissing(r *Report, err error, missing ...string) {
	w.t.Helper()
	if !errors.Is(err, ErrMissing) || r.Done {
		w.t.Fatalf("got %v, want %v\n%s", err, ErrMissing, reportText(r))
	}
	if got := r.Missing(); !slices.Equal(got, missing) {
		w.t.Errorf("missing\n got %q\nwant %q", got, missing)
	}
}

// atServers has a wait ask servers that are given, by a Finder whose exchanges are a function, until it is stopped.
func atServers(servers []netip.AddrPort, exchange func(context.Context, netip.AddrPort, *dns.Msg) (*dns.Msg, error)) (change func(*Config), stop func()) {
	finder := authority.New(authority.Config{Exchange: exchange})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		finder.Run(ctx)
		close(ended)
	}()
	change = func(c *Config) {
		c.Servers, c.Ask = servers, finder.Ask
		c.Request = func(qname string, qtype uint16) authority.Request {
			return authority.Request{Name: qname, Type: qtype, Watch: "shipit.dev."}
		}
	}
	return change, func() {
		cancel()
		<-ended
	}
}
