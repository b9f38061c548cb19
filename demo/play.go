package demo

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// interval is the time between two questions to each server.
const interval = 100 * time.Millisecond

// verdict is what a server says of the record.
type verdict int

const (
	silence verdict = iota // nothing
	no
	yes
)

// said is one reply.
type said struct {
	verdict
	address string        // of a yes
	left    time.Duration // for how long a "no" may be kept
	why     string        // the text of the extended error of a "no"; empty: it has none
}

// play asks all servers until they have the record, and publishes it once two of them have said no. show is called after
// every round of questions.
func play(ctx context.Context, n network, z *zone, s *scene, show func(*scene) error) error {
	limited, cancel := context.WithTimeout(ctx, s.limit)
	defer cancel()
	began := time.Now()
	next := time.NewTicker(interval)
	defer next.Stop()
	for {
		s.round(limited, n, began)
		if ctx.Err() != nil {
			return ErrInterrupted
		}
		if s.published == 0 && s.now >= s.publish && s.tooEarly() {
			s.published = time.Since(began)
			z.publish()
		}
		if err := show(s); err != nil {
			return err
		}
		if s.over() {
			return s.fault()
		}
		select {
		case <-next.C:
		case <-limited.Done():
			if ctx.Err() != nil {
				return ErrInterrupted
			}
			return s.unfinished()
		}
	}
}

// round asks each server once. When ctx ends, what has not been answered means nothing.
func (s *scene) round(ctx context.Context, n network, began time.Time) {
	waiting, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var asked sync.WaitGroup
	for i := range s.rows {
		asked.Go(func() {
			r := &s.rows[i]
			if said := ask(waiting, n, r); ctx.Err() == nil {
				r.take(said, time.Since(began))
			}
		})
	}
	asked.Wait()
	s.now = time.Since(began)
}

// ask asks one server for the record.
func ask(ctx context.Context, n network, r *row) said {
	const udpSize = 1232 // bytes; fits the IPv6 minimum MTU (dnsflagday.net/2020)
	q := new(dns.Msg).SetQuestion(qname, qtype).SetEdns0(udpSize, false)
	q.RecursionDesired = r.recursive
	m, err := n.exchange(ctx, r.addr, q)
	if err != nil || m.Rcode != dns.RcodeSuccess && m.Rcode != dns.RcodeNameError {
		return said{}
	}
	ttl, denied := negativeTTL(m)
	if !denied {
		a, ok := m.Answer[0].(*dns.A)
		if !ok {
			return said{}
		}
		return said{verdict: yes, address: a.A.String()}
	}
	return said{verdict: no, left: ttl, why: extendedError(m)}
}

// extendedError is the text of a reply's extended error (RFC 8914), or "".
func extendedError(m *dns.Msg) string {
	if opt := m.IsEdns0(); opt != nil {
		for _, o := range opt.Option {
			if ede, ok := o.(*dns.EDNS0_EDE); ok {
				return ede.ExtraText
			}
		}
	}
	return ""
}

// fault says why what has been seen is not the story; nil: it is.
func (s *scene) fault() error {
	r := s.result()
	switch {
	case s.notyet().lost():
		return errors.New("notyet had the record, and then said no again")
	case r.Notyet >= r.Plain:
		return fmt.Errorf("notyet had the record %s after it was published, and plain %s: this machine is too busy to show it, so run it again, and not with --fast",
			seconds(r.Notyet), seconds(r.Plain))
	}
	return nil
}

// unfinished says who kept the story from its end.
func (s *scene) unfinished() error {
	var silent, without []string
	for i := range s.rows {
		r := &s.rows[i]
		if r.last.verdict == silence {
			silent = append(silent, r.name)
		}
		if _, ok := r.visible(); !ok {
			without = append(without, r.name)
		}
	}
	what, who := "record", without
	if len(silent) > 0 {
		what, who = "answer", silent
	}
	return fmt.Errorf("no %s from %s within %s: this machine may be too busy, or its loopback interface is down or filtered",
		what, strings.Join(who, ", "), seconds(s.limit))
}
