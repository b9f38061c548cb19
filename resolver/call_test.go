package resolver

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"

	"notyet/cache"
	"notyet/upstream"
	"notyet/upstream/upstreamtest"
)

func TestOneExchangeForAllWhoAskTheSame(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		up := newFake("up", slow(time.Second, records("60 A 192.0.2.1")))
		b := newBed(t, up)
		var all []<-chan answer
		for range 1000 {
			all = append(all, b.start("www.example.com. A"))
			time.Sleep(time.Microsecond)
		}
		if got := b.queries.Load(); got != 1000 {
			t.Errorf("got %d queries under way, want 1000", got)
		}
		for i, done := range all {
			if got := b.wait(done); got.text != "NOERROR A 192.0.2.1" {
				t.Errorf("query %d: got %s, want A 192.0.2.1", i, got.text)
			}
		}
		if up.count() != 1 {
			t.Errorf("got %d exchanges, want 1", up.count())
		}
		synctest.Wait()
		for i, done := range all {
			if len(done) > 0 {
				t.Errorf("query %d was answered again", i)
			}
		}
		b.idle()
	})
}

func TestDifferentQuestionsHaveExchangesOfTheirOwn(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		// The answer says what the upstream was asked.
		up := newFake("up", slow(time.Second, func(x *upstream.Exchange) {
			q := new(dns.Msg)
			if err := q.Unpack(x.Query); err != nil {
				t.Errorf("query %x: %v", x.Query, err)
			}
			if q.IsEdns0() == nil || q.IsEdns0().UDPSize() != 1232 || !q.AuthenticatedData {
				t.Errorf("query: got %v, want an OPT with 1232 bytes, and AD", q)
			}
			m := upstreamtest.Reply(x.Query)
			m.Rcode = dns.RcodeNameError
			m.Ns = []dns.RR{upstreamtest.RR(". 60 SOA . . 1 1 1 1 60")}
			m.Answer = []dns.RR{upstreamtest.RR(fmt.Sprintf("%s 60 TXT %q", q.Question[0].Name,
				fmt.Sprintf("%s-rd:%v-do:%v-cd:%v", dns.Type(q.Question[0].Qtype), q.RecursionDesired, q.IsEdns0().Do(), q.CheckingDisabled)))}
			reply(x, upstreamtest.Pack(m))
		}))
		b := newBed(t, up)
		tests := []struct{ question, want string }{
			{"www.example.com. A", "A-rd:true-do:false-cd:false"},
			{"www.example.com. AAAA", "AAAA-rd:true-do:false-cd:false"},
			{"www.example.com. A +do", "A-rd:true-do:true-cd:false"},
			{"www.example.com. A +cd", "A-rd:true-do:false-cd:true"},
			{"www.example.com. A +do +cd", "A-rd:true-do:true-cd:true"},
			{"www.example.com. A +norec", "A-rd:false-do:false-cd:false"},
			{"www.example.com. A +norec +cd", "A-rd:false-do:false-cd:true"},
			{"wwx.example.com. A", "A-rd:true-do:false-cd:false"},
		}
		var all []<-chan answer
		for _, tt := range tests {
			all = append(all, b.start(tt.question), b.start(tt.question))
		}
		for i, done := range all {
			tt := tests[i/2]
			if got, want := b.wait(done).text, fmt.Sprintf("NXDOMAIN TXT %q", tt.want); got != want {
				t.Errorf("%s: got %s, want %s", tt.question, got, want)
			}
		}
		if up.count() != len(tests) {
			t.Errorf("got %d exchanges, want %d", up.count(), len(tests))
		}
	})
}

func TestUpstreamsAreAskedInOrder(t *testing.T) {
	t.Parallel()
	yes := records("60 A 192.0.2.1")
	slowNo := slow(1900*time.Millisecond, rcode(dns.RcodeServerFailure))
	tests := []struct {
		name      string
		upstreams []func(*upstream.Exchange)
		want      string // how the answer begins; of two that fail at the same moment either may be to blame
		took      time.Duration
		asks      []string // of each upstream
	}{
		{
			name: "alive", upstreams: []func(*upstream.Exchange){yes, yes},
			want: "NOERROR A 192.0.2.1", asks: []string{"0s", ""},
		},
		{
			name: "one, dead", upstreams: []func(*upstream.Exchange){dead},
			want: `SERVFAIL 22 "notyet: up0: timeout"`, took: 5 * time.Second,
			asks: []string{"0s 2s 4s"},
		},
		{
			name: "two, dead", upstreams: []func(*upstream.Exchange){dead, dead},
			want: `SERVFAIL 22 "notyet: up`, took: 5 * time.Second,
			asks: []string{"0s 2s 4s", "50ms 2.5s 4.5s"},
		},
		{
			name: "four, dead", upstreams: []func(*upstream.Exchange){dead, dead, dead, dead},
			want: `SERVFAIL 22 "notyet: up`, took: 5 * time.Second,
			asks: []string{"0s 4s", "50ms 4.5s", "2s", "2.5s"},
		},
		{
			name: "first dead", upstreams: []func(*upstream.Exchange){dead, slow(30*time.Millisecond, yes)},
			want: "NOERROR A 192.0.2.1", took: 80 * time.Millisecond,
			asks: []string{"0s", "50ms"},
		},
		{
			name: "one, whose reply is lost once", upstreams: []func(*upstream.Exchange){once(dead, yes)},
			want: "NOERROR A 192.0.2.1", took: 2 * time.Second,
			asks: []string{"0s 2s"},
		},
		{
			name: "first unreachable", upstreams: []func(*upstream.Exchange){unreachable, yes},
			want: "NOERROR A 192.0.2.1", asks: []string{"0s", "0s"},
		},
		{
			name: "first refuses, second dead", upstreams: []func(*upstream.Exchange){rcode(dns.RcodeRefused), dead},
			want: `SERVFAIL 22 "notyet: up1: timeout"`, took: 5 * time.Second,
			asks: []string{"0s", "0s 2s 4s"},
		},
		{
			name: "first dead, second refuses", upstreams: []func(*upstream.Exchange){dead, slow(time.Second, rcode(dns.RcodeRefused))},
			want: `SERVFAIL 22 "notyet: up0: timeout"`, took: 5 * time.Second,
			asks: []string{"0s 2s 4s", "50ms"},
		},
		{
			name:      "of no use, all of them",
			upstreams: []func(*upstream.Exchange){unreachable, rcode(dns.RcodeServerFailure), rcode(dns.RcodeRefused), garbage, referral},
			want:      `SERVFAIL 0 "notyet: up4: a referral: it does not recurse"`,
			asks:      []string{"0s", "0s", "0s", "0s", "0s"},
		},
		{
			name: "slow to say that they can't help", upstreams: []func(*upstream.Exchange){slowNo, slowNo, slowNo, yes},
			want: "NOERROR A 192.0.2.1", took: 1950 * time.Millisecond,
			asks: []string{"0s", "50ms", "1.9s", "1.95s"},
		},
		{
			name:      "slow enough to use up the time",
			upstreams: []func(*upstream.Exchange){slowNo, slowNo, slowNo, slowNo, slowNo, slowNo, yes},
			want:      `SERVFAIL 0 "notyet: up5: SERVFAIL"`, took: 5750 * time.Millisecond, // the last was asked in time
			asks: []string{"0s", "50ms", "1.9s", "1.95s", "3.8s", "3.85s", ""},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T) {
				var fakes []*fake
				var upstreams []Upstream
				for i, answer := range tt.upstreams {
					fakes = append(fakes, newFake(fmt.Sprintf("up%d", i), answer))
					upstreams = append(upstreams, fakes[i])
				}
				b := newBed(t, upstreams...)
				if got := b.ask("www.example.com. A"); !strings.HasPrefix(got.text, tt.want) || got.took != tt.took {
					t.Errorf("got %s after %v, want %s after %v", got.text, got.took, tt.want, tt.took)
				}
				for i, f := range fakes {
					if got := f.asks(); got != tt.asks[i] {
						t.Errorf("%s: got asked at %q, want %q", f, got, tt.asks[i])
					}
				}
				b.idle()
			})
		})
	}
}

// once answers the first question in one way and all others in another.
func once(first, others func(*upstream.Exchange)) func(*upstream.Exchange) {
	asked := false
	return func(x *upstream.Exchange) {
		if !asked {
			asked = true
			first(x)
			return
		}
		others(x)
	}
}

func TestEveryQuestionBeginsWithTheFirstUpstream(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		const questions = 20
		fakes := []*fake{newFake("up0", rcode(dns.RcodeServerFailure)), newFake("up1", records("60 A 192.0.2.1")), newFake("up2", nil)}
		b := newBed(t, fakes[0], fakes[1], fakes[2])
		for i := range questions {
			b.want(fmt.Sprintf("n%d.example.com. A", i), "NOERROR A 192.0.2.1", 0)
		}
		if fakes[0].count() != questions || fakes[1].count() != questions {
			t.Errorf("got %d and %d questions, want %d and %d", fakes[0].count(), fakes[1].count(), questions, questions)
		}
	})
}

func TestRandomPolicyReachesAllUpstreamsAndGoesOnInOrder(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		const n = 5
		var order []string
		var upstreams []Upstream
		for i := range n {
			f := newFake(fmt.Sprintf("up%d", i), nil)
			f.answer = func(x *upstream.Exchange) {
				if x.Type == dns.TypeA { // no probe
					order = append(order, f.name)
				}
				unreachable(x)
			}
			upstreams = append(upstreams, f)
		}
		b := newBedOf(t, Config{Routes: []Route{{Zone: []byte{0}, Upstreams: upstreams, Policy: Random}}})
		first := make(map[string]int)
		for i := range 200 {
			order = nil
			b.ask(fmt.Sprintf("n%d.example.com. A", i))
			first[order[0]]++
			start := slices.IndexFunc(upstreams, func(u Upstream) bool { return u.String() == order[0] })
			var want []string
			for j := range n {
				want = append(want, upstreams[(start+j)%n].String())
			}
			if !slices.Equal(order, want) {
				t.Errorf("got order %v, want %v", order, want)
			}
		}
		if len(first) != n {
			t.Errorf("got %v asked first in 200 questions, want each of %d", first, n)
		}
	})
}

// Whatever the configuration allows: an upstream that fails before Ask returns must not be asked for ever.
func TestManyUpstreamsAreEachAskedOnce(t *testing.T) {
	t.Parallel()
	for _, n := range []int{maxUpstreams, maxUpstreams + 1, 2 * maxUpstreams} {
		inBubble(t, func(t *testing.T) {
			var fakes []*fake
			var upstreams []Upstream
			for i := range n {
				f := newFake(fmt.Sprintf("up%d", i), unreachable)
				fakes, upstreams = append(fakes, f), append(upstreams, f)
			}
			b := newBed(t, upstreams...)
			b.want("www.example.com. A", fmt.Sprintf(`SERVFAIL 23 "notyet: up%d: connection refused"`, maxUpstreams-1), 0)
			for i, f := range fakes {
				want := 1
				if i >= maxUpstreams {
					want = 0
				}
				if got := f.count(); got != want {
					t.Errorf("%d upstreams, the one with index %d: got %d questions, want %d", n, i, got, want)
				}
			}
		})
	}
}

func TestAnswerThatIsOfNoUse(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		answer func(*upstream.Exchange)
		want   string // when nobody else can be asked
	}{
		{"SERVFAIL", rcode(dns.RcodeServerFailure), `SERVFAIL 0 "notyet: 192.0.2.1:53: SERVFAIL"`},
		{"SERVFAIL with an extended error", failing(dns.ExtendedErrorCodeDNSBogus, "no valid RRSIG"), `SERVFAIL 6 "no valid RRSIG"`},
		{"REFUSED", rcode(dns.RcodeRefused), `SERVFAIL 0 "notyet: 192.0.2.1:53: REFUSED"`},
		{"FORMERR", rcode(dns.RcodeFormatError), `SERVFAIL 0 "notyet: 192.0.2.1:53: FORMERR"`},
		{"NOTIMP", rcode(dns.RcodeNotImplemented), `SERVFAIL 0 "notyet: 192.0.2.1:53: NOTIMP"`},
		{"BADVERS", rcode(dns.RcodeBadVers), `SERVFAIL 0 "notyet: 192.0.2.1:53: BADVERS"`},
		{"an extended rcode without a name", rcode(3000), `SERVFAIL 0 "notyet: 192.0.2.1:53: RCODE3000"`},
		{"a referral", referral, `SERVFAIL 0 "notyet: 192.0.2.1:53: a referral: it does not recurse"`},
		{"garbage", garbage, `SERVFAIL 24 "notyet: 192.0.2.1:53: malformed message"`},
		{"a refused connection", unreachable, `SERVFAIL 23 "notyet: 192.0.2.1:53: connection refused"`},
		{"too much under way", func(x *upstream.Exchange) { x.Done(nil, upstream.ErrBusy) },
			`SERVFAIL 23 "notyet: 192.0.2.1:53: too many exchanges under way"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T) {
				useless := newFake("192.0.2.1:53", tt.answer)
				newBed(t, useless).want("www.example.com. A", tt.want, 0)
				if useless.count() != 1 {
					t.Errorf("got %d questions, want 1: the answer would be the same", useless.count())
				}
			})
			inBubble(t, func(t *testing.T) {
				useless, other := newFake("192.0.2.1:53", tt.answer), newFake("192.0.2.2:53", records("60 A 192.0.2.1"))
				newBed(t, useless, other).want("www.example.com. A", "NOERROR A 192.0.2.1", 0)
				if useless.count() != 1 || other.count() != 1 {
					t.Errorf("got %d and %d questions, want 1 and 1", useless.count(), other.count())
				}
			})
			inBubble(t, func(t *testing.T) {
				useless, other := newFake("192.0.2.1:53", tt.answer), newFake("192.0.2.2:53", dead)
				b := newBed(t, useless, other)
				if got := b.ask("www.example.com. A"); got.took != 5*time.Second || !strings.HasPrefix(got.text, "SERVFAIL ") {
					t.Errorf("with another that is dead: got %s after %v, want SERVFAIL after 5 s", got.text, got.took)
				}
				if useless.asks() != "0s" || other.asks() != "0s 2s 4s" {
					t.Errorf("with another that is dead: got asked at %q and %q, want %q and %q", useless.asks(), other.asks(), "0s", "0s 2s 4s")
				}
			})
		})
	}
}

// The upstream whose words are passed on need not be the last.
func TestExtendedErrorOfAnUpstreamIsPassedOn(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		first := newFake("up0", failing(dns.ExtendedErrorCodeDNSSECIndeterminate, "what the first has to say"))
		b := newBed(t, first, newFake("up1", unreachable))
		b.want("www.example.com. A", `SERVFAIL 5 "what the first has to say"`, 0)
		// It does not stick to the next question.
		first.change(unreachable)
		b.want("other.example.com. A", `SERVFAIL 23 "notyet: up1: connection refused"`, 0)
	})
}

func TestExplanationNamesTheUpstreamItIsAbout(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		// The second loops: it is passed over without being asked, and then no other is left.
		second := newFake("up1", nil)
		b := newBed(t, newFake("up0", rcode(dns.RcodeRefused)), second)
		second.answer = b.loopsBack
		b.Probe()
		synctest.Wait()
		b.want("www.example.com. A", `SERVFAIL 0 "notyet: up1: questions sent to it come back here: a loop"`, 0)
	})
}

// The process may have been stopped for a while at any point.
func TestNoTimeToAskAnybody(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		up := newFake("up0", unreachable)
		b := newBed(t, up, newFake("up1", unreachable))
		b.want("www.example.com. A", `SERVFAIL 23 "notyet: up1: connection refused"`, 0) // its call is used again
		q, asked := b.question("other.example.com. A")
		var got string
		q.Done = func(e *cache.Entry) { got = b.text(e, &asked) }
		c := b.calls.Get().(*call)
		c.start(&q, callHash(&q))
		b.queries.Add(1)
		b.exchanges.Add(1)
		time.Sleep(6 * time.Second)
		c.next()
		if want := `SERVFAIL 0 "notyet: up0: there was no time to ask it"`; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		if up.count() != 1 {
			t.Errorf("got %d questions, want 1", up.count())
		}
	})
}

func TestStoppedUpstreamIsAFailure(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		stopped := newFake("up", func(x *upstream.Exchange) { x.Done(nil, upstream.ErrStopped) })
		newBed(t, stopped).want("www.example.com. A", `SERVFAIL 23 "notyet: up: stopped"`, 0)
		if stopped.count() != 1 {
			t.Errorf("got %d questions, want 1", stopped.count())
		}
	})
}

func TestErrorThatIsWrappedIsATimeoutToo(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		up := newFake("up", once(func(x *upstream.Exchange) { x.Done(nil, fmt.Errorf("over TCP: %w", upstream.ErrTimeout)) }, records("60 A 192.0.2.1")))
		newBed(t, up).want("www.example.com. A", "NOERROR A 192.0.2.1", 0)
	})
}
