package authority

import (
	"context"
	"slices"
	"time"

	"github.com/miekg/dns"

	"notyet/wire"
)

// grace is how long others are waited for after the first answer that settles nothing by itself.
const grace = 300 * time.Millisecond

// few is how many servers a request with Few asks at first.
const few = 2

// tally is one question under way at the servers of a zone.
type tally struct {
	finder  *Finder
	zone    *zone
	request *Request
	all     bool      // every server is to be asked
	unasked []*server // in the order in which they are asked
	waiting []string  // asked, and not heard of yet
	results chan result

	asked              bool
	best               *verdict    // of those that answer
	cut                *delegation // nil: no server says that the name is in a zone further down
	have, lack, silent []string
	heard              []Reply
}

// result is what one server said.
type result struct {
	server  *server
	verdict *verdict // nil: nothing
	err     error    // what is wrong with it
	at      time.Time
}

// ask puts a question to the servers that count, each time beginning with another one.
func (f *Finder) ask(z *zone, r *Request) *tally {
	servers := z.counting()
	first := int(z.turn.Add(1)) % len(servers)
	if r.Few {
		// By the zone's turn a name that is asked in step with others would always come to the same servers.
		first = r.Turn * few % len(servers)
	}
	t := &tally{
		finder: f, zone: z, request: r, all: !r.Few,
		unasked: slices.Concat(servers[first:], servers[:first]),
		results: make(chan result, len(servers)), // nobody blocks who is no longer waited for
	}
	if t.all {
		t.ask(len(servers))
	} else {
		t.ask(few)
	}
	return t
}

// ask asks up to n more servers, as far as the budget goes.
func (t *tally) ask(n int) {
	for ; n > 0 && len(t.unasked) > 0 && t.request.take(1); n-- {
		s := t.unasked[0]
		t.unasked = t.unasked[1:]
		t.waiting = append(t.waiting, s.name)
		t.asked = true
		t.finder.spawn(func() {
			v, err := t.finder.question(t.zone, s, t.request)
			t.results <- result{s, v, err, time.Now()}
		})
	}
}

// wait returns once there is a positive answer or a cut, all have been heard, or the grace after the first denial is over.
// Without an error there is a cut or an answer.
func (t *tally) wait(ctx context.Context) error {
	var enough <-chan time.Time
	doubt := time.NewTimer(retransmit)
	defer doubt.Stop()
	for len(t.waiting) > 0 && t.cut == nil && (t.best == nil || t.best.kind != wire.Positive) {
		select {
		case r := <-t.results:
			t.add(r)
		case <-enough:
			return nil
		case <-doubt.C:
			if t.best == nil {
				t.finder.trouble(t.zone) // nobody says anything: apex probes show whether they can be asked at all
			}
		case <-ctx.Done():
			return ctx.Err()
		case <-t.finder.ctx.Done():
			return ErrStopped
		}
		if t.best != nil && enough == nil {
			enough = time.After(grace)
		}
	}
	switch {
	case !t.asked:
		return ErrBudget
	case t.cut == nil && t.best == nil:
		t.finder.trouble(t.zone)
		return Silent{t.zone.apex, t.replies()}
	}
	return nil
}

// rest waits until all have been heard. When it is told to end before, the others are silent.
func (t *tally) rest(ctx context.Context) {
	for len(t.waiting) > 0 {
		select {
		case r := <-t.results:
			t.add(r)
			continue
		case <-ctx.Done():
		case <-t.finder.ctx.Done():
		}
		t.silent = append(t.silent, t.waiting...)
		t.waiting = nil
	}
}

func (t *tally) add(r result) {
	i := slices.Index(t.waiting, r.server.name)
	t.waiting = slices.Delete(t.waiting, i, i+1)
	t.heard = append(t.heard, r.reply())
	switch v := r.verdict; {
	case v == nil, v.kind == wire.Failure:
		t.silent = append(t.silent, r.server.name)
		return
	case v.cut != nil:
		t.silent = append(t.silent, r.server.name)
		t.cut, v.cut.by = v.cut, r.server
		return
	case v.kind == wire.Positive:
		t.have = append(t.have, r.server.name)
		if !t.all { // now all of them matter
			t.all = true
			t.ask(len(t.unasked))
		}
	default:
		t.lack = append(t.lack, r.server.name)
	}
	if t.best == nil || rank(r.verdict.kind) > rank(t.best.kind) {
		t.best = r.verdict
	}
}

func (r *result) reply() Reply {
	reply := Reply{Server: r.server.public(), At: r.at}
	if r.verdict != nil {
		reply.Said = r.verdict.public()
	}
	if r.err != nil {
		reply.Fault = r.err
	}
	return reply
}

// rank orders what servers say that disagree: some name servers of a zone are behind the others, and some say NXDOMAIN for
// an empty non-terminal.
func rank(k wire.Kind) int {
	return slices.Index([]wire.Kind{wire.NXDOMAIN, wire.NODATA, wire.Positive}, k)
}

// answer is what is known by now.
func (t *tally) answer() *Answer {
	a := &Answer{
		Kind: t.best.kind, Msg: t.best.msg, Target: t.best.target,
		Zone: t.zone.apex, SOA: dns.Copy(t.zone.soa).(*dns.SOA),
		Have: sorted(t.have), Lack: sorted(t.lack), Silent: sorted(t.silent),
		Replies: t.replies(), Absent: t.zone.absent,
		tally: t,
	}
	if t.all {
		for _, s := range t.unasked {
			a.Spared = append(a.Spared, s.name)
		}
		slices.Sort(a.Spared)
	}
	return a
}

func sorted(names []string) []string { return slices.Sorted(slices.Values(names)) }
