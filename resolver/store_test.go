package resolver

import (
	"testing"
	"time"

	"github.com/miekg/dns"

	"notyet/upstream"
	"notyet/upstream/upstreamtest"
)

func TestAnswersAreKept(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		answer func(*upstream.Exchange)
		want   string
		kept   time.Duration // until the upstream is asked again
	}{
		{"positive", records("60 A 192.0.2.1", "90 A 192.0.2.2"), "NOERROR A 192.0.2.1 A 192.0.2.2", time.Minute},
		{"TTL 0", records("0 A 192.0.2.1"), "NOERROR A 192.0.2.1", 0},
		{"NXDOMAIN", nxdomain, "NXDOMAIN", time.Second},
		{"NODATA", func(x *upstream.Exchange) {
			m := upstreamtest.Reply(x.Query)
			m.Ns = []dns.RR{upstreamtest.RR("example.com. 60 SOA . . 1 1 1 1 60")}
			reply(x, upstreamtest.Pack(m))
		}, "NOERROR", time.Second},
		{"NODATA without SOA", records(), "NOERROR", 0},
		{"an rcode that says nothing of the name", rcode(dns.RcodeNotZone), "NOTZONE", 0},
		{"SERVFAIL", rcode(dns.RcodeServerFailure), `SERVFAIL 0 "notyet: up: SERVFAIL"`, time.Second},
		{"SERVFAIL with an extended error", failing(dns.ExtendedErrorCodeDNSBogus, "bogus"), `SERVFAIL 6 "bogus"`, time.Second},
		{"unreachable", unreachable, `SERVFAIL 23 "notyet: up: connection refused"`, time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T) {
				up := newFake("up", tt.answer)
				b := newBed(t, up)
				b.want("www.example.com. A", tt.want, 0)
				if tt.kept > 0 {
					b.want("www.example.com. A", "cached "+tt.want, 0)
					time.Sleep(tt.kept - 1)
					b.want("www.example.com. A", "cached "+tt.want, 0)
					time.Sleep(time.Nanosecond)
				}
				if up.count() != 1 {
					t.Errorf("got %d questions, want 1", up.count())
				}
				b.want("www.example.com. A", tt.want, 0)
				if up.count() != 2 {
					t.Errorf("%v later: got %d questions, want 2", tt.kept, up.count())
				}
			})
		})
	}
}

// RFC 9520, section 3.2: at least 1 s, and longer each time.
func TestFailuresAreKeptLongerEachTime(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		up := newFake("up", rcode(dns.RcodeServerFailure))
		b := newBed(t, up)
		for b.began = time.Now(); time.Since(b.began) < 70*time.Second; time.Sleep(100 * time.Millisecond) {
			b.ask("www.example.com. A")
		}
		if got, want := up.asks(), "0s 1s 3s 7s 15s 31s 1m1s"; got != want {
			t.Errorf("asked every 100 ms: got the upstream asked at %s, want %s", got, want)
		}
	})
}

func TestFailureOfAllUpstreamsIsKept(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		up := newFake("up", dead)
		b := newBed(t, up)
		b.want("www.example.com. A", `SERVFAIL 22 "notyet: up: timeout"`, 5*time.Second)
		b.want("www.example.com. A", `cached SERVFAIL 22 "notyet: up: timeout"`, 0)
		if up.count() != 3 {
			t.Errorf("got %d questions, want 3", up.count())
		}
	})
}

func TestQuestionWithoutRecursion(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		answer func(*upstream.Exchange)
		want   string
	}{
		{"what the upstream has", records("60 A 192.0.2.1"), "NOERROR A 192.0.2.1"},
		{"a denial", nxdomain, "NXDOMAIN"},
		{"a referral is an answer to it", referral, "NOERROR"},
		{"a failure", rcode(dns.RcodeServerFailure), `SERVFAIL 0 "notyet: up: SERVFAIL"`},
		{"a refusal", rcode(dns.RcodeRefused), `SERVFAIL 0 "notyet: up: REFUSED"`},
		{"garbage", garbage, `SERVFAIL 24 "notyet: up: malformed message"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T) {
				up := newFake("up", func(x *upstream.Exchange) {
					q := new(dns.Msg)
					if err := q.Unpack(x.Query); err != nil || q.RecursionDesired {
						t.Errorf("got the query %v (%v), want it without RD", q, err)
					}
					tt.answer(x)
				})
				b := newBed(t, up)
				for range 2 { // and it is not kept
					b.want("www.example.com. A +norec", tt.want, 0)
				}
				if up.count() != 2 {
					t.Errorf("got %d questions, want 2", up.count())
				}
			})
		})
	}
}

func TestQuestionWithoutRecursionIsAnsweredFromTheCache(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		up := newFake("up", records("60 A 192.0.2.1"))
		b := newBed(t, up)
		b.want("www.example.com. A", "NOERROR A 192.0.2.1", 0)
		b.want("www.example.com. A +norec", "cached NOERROR A 192.0.2.1", 0)
		if got := b.wait(b.start("www.example.com. A +norec")); got.text != "NOERROR A 192.0.2.1" {
			t.Errorf("got %s, want A 192.0.2.1", got.text)
		}
		if up.count() != 1 {
			t.Errorf("got %d questions, want 1", up.count())
		}
	})
}

// Between the server's look into the cache and Serve, another exchange for the question may have ended.
func TestAnswerThatCameMeanwhileIsUsed(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		up := newFake("up", records("60 A 192.0.2.1"))
		b := newBed(t, up)
		for range 2 {
			if got := b.wait(b.start("www.example.com. A")); got.text != "NOERROR A 192.0.2.1" {
				t.Errorf("got %s, want A 192.0.2.1", got.text)
			}
		}
		if up.count() != 1 {
			t.Errorf("got %d questions, want 1", up.count())
		}
		b.idle()
	})
}
