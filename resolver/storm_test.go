package resolver

import (
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"

	"notyet/cache"
	"notyet/upstream"
	"notyet/upstream/upstreamtest"
	"notyet/wire"
)

// mood is a reply to a query, of any kind that an upstream may give, or an error. What it says contains the question.
func mood(t *testing.T, query []byte) ([]byte, error) {
	q := new(dns.Msg)
	if err := q.Unpack(query); err != nil {
		t.Errorf("query %x: %v", query, err)
	}
	says := said(strings.ToLower(q.Question[0].Name), q.Question[0].Qtype, q.IsEdns0().Do(), q.CheckingDisabled, q.RecursionDesired)
	m := upstreamtest.Reply(query)
	m.IsEdns0().Option = []dns.EDNS0{&dns.EDNS0_EDE{InfoCode: 30, ExtraText: says}}
	switch n := rand.IntN(14); {
	case n < 6:
		m.IsEdns0().Option = nil
		m.Answer = []dns.RR{upstreamtest.RR(fmt.Sprintf("%s %d %s", m.Question[0].Name, rand.IntN(3), data(m.Question[0].Qtype, says)))}
	case n < 8:
		m.Rcode = dns.RcodeNameError
		m.Ns = []dns.RR{upstreamtest.RR(". 2 SOA . . 1 1 1 1 2")}
	case n < 9:
		m.IsEdns0().Option = nil
		m.Rcode = dns.RcodeRefused
	case n < 11:
		m.Rcode = dns.RcodeServerFailure
	case n < 12:
		m.Ns = []dns.RR{upstreamtest.RR("example.com. 60 NS ns.example.net.")}
	case n < 13:
		m.Answer = []dns.RR{upstreamtest.RR(m.Question[0].Name + " 60 A 192.0.2.1")}
		b := upstreamtest.Pack(m)
		return b[:len(b)-1], nil // garbage
	default:
		return nil, fmt.Errorf("no way to ask for %s", says)
	}
	return upstreamtest.Pack(m), nil
}

// moody answers in any mood, at once or later, or not in time.
func moody(t *testing.T) func(*upstream.Exchange) {
	return func(x *upstream.Exchange) {
		if rand.IntN(8) == 0 {
			dead(x)
			return
		}
		m, err := mood(t, x.Query)
		done := func() {
			if err != nil {
				x.Done(nil, err)
				return
			}
			reply(x, m)
		}
		if rand.IntN(3) == 0 {
			done()
			return
		}
		time.AfterFunc(min(rand.N(2*time.Second), time.Until(x.Deadline)), done)
	}
}

// said is what a moody upstream says of a question.
func said(qname string, qtype uint16, do, cd, rd bool) string {
	return fmt.Sprintf("%s/%s/%v/%v/%v", qname, dns.Type(qtype), do, cd, rd)
}

// data is rdata of the type with a text in it.
func data(qtype uint16, text string) string {
	if qtype == dns.TypeTXT {
		return fmt.Sprintf("TXT %q", text)
	}
	return fmt.Sprintf("TYPE%d \\# %d %x", qtype, len(text), text)
}

// Calls are used again: nothing of a former question may show in the answer to the next.
func TestEveryQueryIsAnsweredOnceAndWithItsOwnAnswer(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		b := newBed(t, newFake("up0", moody(t)), newFake("up1", moody(t)), newFake("up2", moody(t)))
		b.storm(t, 50, 300)
		synctest.Wait()
		b.idle()
	})
}

func TestEveryQueryIsAnsweredOnceAndWithItsOwnAnswerOverRealSockets(t *testing.T) {
	t.Parallel()
	handle := func(q *upstreamtest.Query) {
		m, err := mood(t, q.Wire)
		switch n := rand.IntN(8); {
		case err != nil && q.TCP:
			q.Hangup()
			return
		case err != nil:
			q.Rcode(dns.RcodeRefused)
			return
		case n == 0 && !q.TCP:
			q.Truncate()
		case n == 1:
			forged := slices.Clone(m)
			forged[0]++
			q.Send(forged)
		case n == 2:
			q.Send(m)
		}
		q.Send(m)
	}
	one, two := upstreamtest.New(t, handle), upstreamtest.New(t, handle)
	b := newBed(t, newUpstream(t, one.Addr, false), newUpstream(t, two.Addr, false))
	b.storm(t, 16, 300)
	b.idle()
}

// storm asks many questions at a time, and waits until each has been answered.
func (b *bed) storm(t *testing.T, clients, each int) {
	var answers, failures atomic.Int64
	var all sync.WaitGroup
	for range clients {
		all.Go(func() {
			for range each {
				text := fmt.Sprintf("n%d.example.com. %s", rand.IntN(100), []string{"TXT", "TYPE65400"}[rand.IntN(2)])
				for _, option := range []string{" +do", " +cd", " +norec"} {
					if rand.IntN(4) == 0 {
						text += option
					}
				}
				done := b.startOwn(t, text, &answers, &failures)
				select {
				case <-done:
				case <-time.After(10 * time.Second):
					t.Errorf("%s: no answer within 10 s", text)
				}
				if len(done) > 0 {
					t.Errorf("%s: answered again", text)
				}
			}
		})
	}
	all.Wait()
	if answers.Load() < int64(clients*each/2) || failures.Load() == 0 {
		t.Errorf("got %d answers and %d failures of %d, want some of each", answers.Load(), failures.Load(), clients*each)
	}
}

// startOwn asks and checks that the answer is the question's own.
func (b *bed) startOwn(t *testing.T, text string, answers, failures *atomic.Int64) <-chan struct{} {
	q, asked := b.question(text)
	done := make(chan struct{}, 8)
	own := said(wire.String(asked.Name), asked.Type, asked.EDNS.DO, asked.Flags.Has(wire.CD), asked.Flags.Has(wire.RD))
	kept := strings.TrimSuffix(own, "false") + "true" // what was asked with RD answers without, too
	q.Done = func(e *cache.Entry) {
		defer func() { done <- struct{}{} }()
		m := new(dns.Msg)
		if err := m.Unpack(b.cache.AppendReply(nil, e, &asked, wire.MaxMessage, time.Now())); err != nil {
			t.Errorf("%s: %v", text, err)
			return
		}
		if m.Rcode == dns.RcodeServerFailure {
			failures.Add(1)
		} else {
			answers.Add(1)
		}
		says := saysAll(m)
		for _, s := range says {
			if s != own && s != kept {
				t.Errorf("%s: got an answer that says %q, want %q", text, s, own)
			}
		}
		if m.Rcode != dns.RcodeServerFailure && len(says) == 0 {
			t.Errorf("%s: got %v, want an answer of the upstream's", text, m)
		}
	}
	b.Serve(&q)
	clear(q.Key.Name) // the asker's again
	return done
}

// saysAll is what a moody upstream says in an answer, wherever.
func saysAll(m *dns.Msg) (says []string) {
	for _, rr := range m.Answer {
		switch rr := rr.(type) {
		case *dns.TXT:
			says = append(says, rr.Txt...)
		case *dns.RFC3597:
			text, _ := hex.DecodeString(rr.Rdata)
			says = append(says, string(text))
		}
	}
	for _, o := range m.IsEdns0().Option {
		text := o.(*dns.EDNS0_EDE).ExtraText
		if _, about, ok := strings.Cut(text, "no way to ask for "); ok {
			text = about
		}
		if !strings.HasPrefix(text, "notyet: ") {
			says = append(says, text)
		}
	}
	return says
}
