package resolver

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"

	"notyet/cache"
)

// forward is what Forward makes of a question, in the words of text.
func (b *bed) forward(question string) <-chan answer {
	b.t.Helper()
	q, asked := b.question(question)
	done := make(chan answer, 8)
	began := time.Now()
	key := q.Key
	key.Name = append([]byte(nil), key.Name...)
	b.Forward(q.Key, true, func(o Outcome) {
		e := cache.Failure(key, o.EDE)
		if o.Reply != nil {
			e = b.cache.Unkept(key, o.Reply, time.Now())
		}
		done <- answer{o.From.String() + ": " + b.text(e, &asked), time.Since(began)}
	})
	clear(q.Key.Name) // the asker's again
	return done
}

func TestForwardGoesPastTheCache(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name      string
		upstreams []Upstream
		want      answer
		asked     int // how often the first upstream was, for two questions; 0: probes come in between
	}{
		{name: "answer", upstreams: []Upstream{newFake("up0", records("60 A 192.0.2.1"))}, want: answer{"up0: NOERROR A 192.0.2.1", 0}, asked: 2},
		{name: "denial", upstreams: []Upstream{newFake("up0", nxdomain)}, want: answer{"up0: NXDOMAIN", 0}, asked: 2},
		{
			name:      "the second one's answer",
			upstreams: []Upstream{newFake("up0", rcode(dns.RcodeRefused)), newFake("up1", records("60 A 192.0.2.1"))},
			want:      answer{"up1: NOERROR A 192.0.2.1", 0}, asked: 2,
		},
		{
			name:      "nobody's answer",
			upstreams: []Upstream{newFake("up0", dead)},
			want:      answer{`up0: SERVFAIL 22 "notyet: up0: timeout"`, 5 * time.Second},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T) {
				b := newBed(t, tt.upstreams...)
				for range 2 {
					if got := b.wait(b.forward("www.example.com. A")); got != tt.want {
						t.Errorf("got %v, want %v", got, tt.want)
					}
				}
				if got := tt.upstreams[0].(*fake).count(); tt.asked > 0 && got != tt.asked {
					t.Errorf("got %d questions, want %d", got, tt.asked)
				}
				synctest.Wait()
				b.idle()
			})
		})
	}
}

func TestForwardIsShedWhenTooMuchIsUnderWay(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		up := newFake("up0", records("60 A 192.0.2.1"))
		b := newBed(t, up)
		b.exchanges.Add(maxExchanges)
		want := answer{text: `up0: SERVFAIL 0 "notyet: too many questions under way"`}
		if got := b.wait(b.forward("www.example.com. A")); got != want {
			t.Errorf("got %v, want %v", got, want)
		}
		if up.count() != 0 {
			t.Errorf("got %d questions, want none", up.count())
		}
		b.exchanges.Add(-maxExchanges)
		b.idle()
	})
}
