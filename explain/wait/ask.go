package wait

import (
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/miekg/dns"

	"notyet/authority"
	"notyet/upstream"
	"notyet/wire"
)

// request is the question for a name.
func (w *waiter) request(name string) authority.Request {
	r := w.Request(name, w.Type)
	r.Servers = w.Servers
	return r
}

// answer asks for a name. Given servers need not serve what is above it, for it may be their zone's apex: they are asked what zone the
// name itself is in. One that is an alias does not say, and then the name above it does. A DS is in the zone above.
func (w *waiter) answer(ctx context.Context, name string) (*authority.Answer, error) {
	above := w.request(name)
	if len(w.Servers) == 0 || w.Type == dns.TypeDS {
		return w.Ask(ctx, above)
	}
	own := above
	own.Watch = name
	a, err := w.Ask(ctx, own)
	var degraded, again authority.Degraded
	if !errors.As(err, &degraded) || all(degraded.Why, upstream.ErrTimeout) {
		return a, err
	}
	if a, errAbove := w.Ask(ctx, above); !errors.As(errAbove, &again) {
		return a, errAbove
	}
	return nil, err
}

// ask asks all servers of the zone that a name lives in. For one of several a positive answer will do.
func (w *waiter) ask(ctx context.Context, name string) Name {
	a, err := w.answer(ctx, name)
	var degraded authority.Degraded
	var silent authority.Silent
	switch {
	case errors.As(err, &silent):
		return Name{Name: name, Zone: silent.Zone, Servers: w.servers(silent.Replies, nil)}
	case errors.As(err, &degraded):
		w.strangers = len(w.Servers) > 0 && all(degraded.Why, authority.ErrNoAuthority)
		n := Name{Name: name, Zone: degraded.Zone, Fault: w.why(degraded.Why)}
		for _, s := range degraded.Servers {
			n.Servers = append(n.Servers, w.server(authority.Reply{Server: s, At: time.Now()}))
		}
		return n
	case err != nil:
		return Name{Name: name, Fault: w.why(err)}
	}
	n := w.name(name, a)
	if !w.Any || !slices.ContainsFunc(n.Servers, func(s Server) bool { return s.State == Ready }) {
		n = w.name(name, a.Rest(ctx))
	}
	return n
}

func (w *waiter) why(err error) string {
	if w.Why == nil {
		return err.Error()
	}
	return w.Why(err)
}

// all reports whether an error is the target, or is several that all are.
func all(err, target error) bool {
	several, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return errors.Is(err, target)
	}
	return !slices.ContainsFunc(several.Unwrap(), func(one error) bool { return !errors.Is(one, target) })
}

func (w *waiter) name(name string, a *authority.Answer) Name {
	return Name{Name: name, Zone: a.Zone, Servers: w.servers(a.Replies, a.Absent)}
}

func (w *waiter) servers(replies []authority.Reply, absent []string) (all []Server) {
	for _, r := range replies {
		all = append(all, w.server(r))
	}
	for _, name := range absent {
		all = append(all, Server{Name: name, State: Absent, Says: []string{"no address"}})
	}
	return all
}

// server judges a reply.
func (w *waiter) server(r authority.Reply) Server {
	s := Server{Name: r.Name, Address: r.Addr, State: Behind, After: w.since(r.At), Target: r.Target}
	switch {
	case r.Fault != nil:
		s.State, s.Says = Lame, []string{r.Fault.Error()}
		if errors.Is(r.Fault, upstream.ErrTimeout) || errors.As(r.Fault, new(syscall.Errno)) { // nobody listens, or none gets there
			s.State = Silent
		}
		if r.At.IsZero() {
			s.After = w.since(time.Now()) // it does not count, and was not asked this time
		}
		return s
	case r.At.IsZero(), r.Msg == nil:
		return Server{Name: r.Name, Address: r.Addr, State: Unheard, Says: []string{}}
	case r.Kind.Negative():
		s.denies = true
		s.Says = []string{strings.ToUpper(r.Kind.String())}
	}
	s.Says = append(w.says(r.Msg.Answer), s.Says...)
	if w.good(r) {
		s.State = Ready
	}
	return s
}

// good reports whether a reply is what is waited for, or leads on to where it may be. With given servers nothing is asked
// where it leads, and an alias is as good as a record if no value is waited for.
func (w *waiter) good(r authority.Reply) bool {
	switch {
	case r.Target != "" && len(w.Servers) > 0:
		return !w.Gone && len(w.Expect) == 0
	case r.Target != "":
		return true
	case w.Gone:
		return r.Kind.Negative()
	case r.Kind != wire.Positive:
		return false
	}
	for _, e := range w.Expect {
		if !slices.ContainsFunc(r.Msg.Answer, func(rr dns.RR) bool { return rr.Header().Rrtype == w.Type && e.is(rr) }) {
			return false
		}
	}
	return true
}

// says are the records of an answer, in order of their data but for the aliases before them.
func (w *waiter) says(answer []dns.RR) []string {
	var aliases, values []string
	for _, rr := range answer {
		switch h := rr.Header(); {
		case h.Rrtype == w.Type:
			values = append(values, data(rr))
		case h.Rrtype == dns.TypeCNAME:
			aliases = append(aliases, "CNAME "+data(rr))
		}
	}
	slices.Sort(values)
	return append(aliases, values...)
}

// wildcard asks the name's servers for a name that nobody has made, once it has been heard what they say of the name at
// first. If that has the very answer that is waited for, a wildcard gives it, and would for the name if it did not exist. The
// resolvers hear of neither.
func (w *waiter) wildcard(ctx context.Context) error {
	n := w.state.find(w.Name)
	if w.heard || n == nil || !slices.ContainsFunc(n.Servers, Server.answers) {
		return nil
	}
	w.heard = true
	label, rest, _ := strings.Cut(w.Name, ".")
	if len(w.Expect) > 0 || label == "*" || n.Zone == w.Name || !slices.ContainsFunc(n.Servers, Server.has) {
		return nil
	}
	a, err := w.Ask(ctx, w.request(strings.ToLower(rand.Text())+"."+rest))
	if err != nil {
		return ctx.Err() // what is wrong with the servers shows at the name itself
	}
	for _, s := range w.name("", a.Rest(ctx)).Servers {
		if own := n.server(s.Name); own != nil && own.has() && s.has() && slices.Equal(own.Says, s.Says) {
			return Wildcard{Name: w.Name, Type: w.state.Type, Says: s.Says}
		}
	}
	return ctx.Err()
}

// answers reports whether a server says what it stands for.
func (s Server) answers() bool { return s.State == Ready || s.State == Behind }

// has reports whether a server has records to say.
func (s Server) has() bool { return s.answers() && !s.denies }
