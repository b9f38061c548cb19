package resolver

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"notyet/cache"
	"notyet/upstream"
)

const shed = `SERVFAIL 0 "notyet: too many questions under way"`

func TestTooManyDifferentQuestionsAreShed(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		var waiting []*upstream.Exchange
		up := newFake("up", records("3600 A 192.0.2.1"))
		b := newBed(t, up)
		b.want("kept.example.com. A", "NOERROR A 192.0.2.1", 0)
		up.change(func(x *upstream.Exchange) { waiting = append(waiting, x) })
		var all []<-chan answer
		for i := range maxExchanges {
			all = append(all, b.start(fmt.Sprintf("n%d.example.com. A", i)))
		}
		for range 3 {
			b.want("more.example.com. A", shed, 0)
		}
		if got := testutil.ToFloat64(b.meter.shed); got != 3 {
			t.Errorf("got %v shed, want 3", got)
		}
		b.want("kept.example.com. A", "cached NOERROR A 192.0.2.1", 0)
		if got := b.wait(b.start("kept.example.com. A")); got.text != "NOERROR A 192.0.2.1" {
			t.Errorf("an answer that came meanwhile: got %s, want A 192.0.2.1", got.text)
		}
		all = append(all, b.start("n0.example.com. A")) // is under way anyway

		for _, x := range waiting {
			records("3600 A 192.0.2.2")(x)
		}
		for i, done := range all {
			if got := b.wait(done); got.text != "NOERROR A 192.0.2.2" {
				t.Errorf("query %d: got %s, want A 192.0.2.2", i, got.text)
			}
		}
		b.idle()
		up.change(records("60 A 192.0.2.3"))
		b.want("more.example.com. A", "NOERROR A 192.0.2.3", 0) // being shed is not kept
	})
}

func TestTooManyQueriesAreShed(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		var waiting []*upstream.Exchange
		up := newFake("up", func(x *upstream.Exchange) { waiting = append(waiting, x) })
		b := newBed(t, up)
		q, _ := b.question("www.example.com. A")
		answered := 0
		q.Done = func(*cache.Entry) { answered++ }
		all := make([]Query, maxQueries)
		for i := range all {
			all[i] = q
			b.Serve(&all[i])
		}
		if answered != 0 || b.queries.Load() != maxQueries {
			t.Errorf("got %d queries answered and %d under way, want 0 and %d", answered, b.queries.Load(), maxQueries)
		}
		b.want("www.example.com. A", shed, 0)
		b.want("other.example.com. A", shed, 0)
		if got := testutil.ToFloat64(b.meter.shed); got != 2 {
			t.Errorf("got %v shed, want 2", got)
		}
		records("60 A 192.0.2.1")(waiting[0])
		if answered != maxQueries || len(waiting) != 1 {
			t.Errorf("got %d queries answered with %d exchanges, want %d with 1", answered, len(waiting), maxQueries)
		}
		b.idle()
	})
}

func TestAnsweredIsClosedByTheFirstReply(t *testing.T) {
	t.Parallel()
	answered := func(b *bed) bool {
		select {
		case <-b.Answered():
			return true
		default:
			return false
		}
	}
	tests := []struct {
		name   string
		answer func(*upstream.Exchange)
		want   bool
	}{
		{"an answer", records("60 A 192.0.2.1"), true},
		{"a denial", nxdomain, true},
		{"SERVFAIL", failing(0, ""), true},
		{"a refusal", rcode(dns.RcodeRefused), true},
		{"nothing", dead, false},
		{"a refused connection", unreachable, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T) {
				b := newBed(t, newFake("up", tt.answer))
				if answered(b) {
					t.Error("before any question: got it closed, want it open")
				}
				for i := range 2 {
					b.ask(fmt.Sprintf("n%d.example.com. A", i))
				}
				if got := answered(b); got != tt.want {
					t.Errorf("by a question: got closed %v, want %v", got, tt.want)
				}
			})
			inBubble(t, func(t *testing.T) {
				b := newBed(t, newFake("up", tt.answer))
				b.Probe()
				time.Sleep(5 * time.Second)
				synctest.Wait()
				if got := answered(b); got != tt.want {
					t.Errorf("by a probe: got closed %v, want %v", got, tt.want)
				}
			})
		})
	}
}
