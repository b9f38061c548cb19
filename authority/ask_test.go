package authority

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"

	"notyet/upstream"
	"notyet/wire"
)

// four is shipit.dev on ns1 to ns4, at 192.0.2.1 to 192.0.2.4.
func inFour(t *testing.T, test func(w *world, zone *zoneData)) {
	t.Helper()
	inShipit(t, func(w *world, zone *zoneData) {
		zone.publish(t, `
			shipit.dev.     300 NS ns3.shipit.dev.
			shipit.dev.     300 NS ns4.shipit.dev.
			ns3.shipit.dev. 300 A  192.0.2.3
			ns4.shipit.dev. 300 A  192.0.2.4`)
		w.serve(authoritative(zone), "192.0.2.3", "192.0.2.4")
		if _, got, took := w.ask("shipit.dev. SOA"); took != 0 { // found
			t.Fatalf("got %s after %v", got, took)
		}
		time.Sleep(time.Minute)
		w.forget()
		test(w, zone)
	})
}

// only answers questions for names other than the apex in a way of its own.
func (w *world) only(zone *zoneData, h handler, addrs ...string) {
	w.serve(except(authoritative(zone), h, func(q dns.Question) bool { return q.Name != zone.apex }), addrs...)
}

func yes(q *dns.Msg) *dns.Msg {
	m := new(dns.Msg).SetReply(q)
	m.Authoritative, m.Answer = true, rrs(q.Question[0].Name+" 60 A 192.0.2.7")
	return m
}

func nodata(q *dns.Msg) *dns.Msg {
	m := new(dns.Msg).SetReply(q)
	m.Authoritative, m.Ns = true, rrs("shipit.dev. 3600 SOA ns1.shipit.dev. admin.example.net. 1 7200 900 1209600 60")
	return m
}

func nxdomain(q *dns.Msg) *dns.Msg {
	m := nodata(q)
	m.Rcode = dns.RcodeNameError
	return m
}

func TestWhatServersSayIsTallied(t *testing.T) {
	const ms = time.Millisecond
	type reply struct {
		h     handler
		after time.Duration
	}
	tests := []struct {
		name         string
		replies      [4]reply // of ns1 to ns4
		first        string
		after        time.Duration
		rest         string
		restAfter    time.Duration // from the first on
		wantObserved string
	}{
		{
			name:    "all have it",
			replies: [4]reply{{yes, 1 * ms}, {yes, 2 * ms}, {yes, 3 * ms}, {yes, 4 * ms}},
			first:   "positive A 192.0.2.7 | have ns1", after: 1 * ms,
			rest: "positive A 192.0.2.7 | have ns1 ns2 ns3 ns4", restAfter: 3 * ms,
			wantObserved: "yes yes yes yes",
		},
		{
			name:    "the last has it",
			replies: [4]reply{{nxdomain, 1 * ms}, {nxdomain, 2 * ms}, {nxdomain, 3 * ms}, {yes, 250 * ms}},
			first:   "positive A 192.0.2.7 | have ns4 | lack ns1 ns2 ns3", after: 250 * ms,
			rest:         "positive A 192.0.2.7 | have ns4 | lack ns1 ns2 ns3",
			wantObserved: "nxdomain nxdomain nxdomain yes",
		},
		{
			name:    "the first has it",
			replies: [4]reply{{yes, 1 * ms}, {nxdomain, 2 * ms}, {nodata, 3 * ms}, {dead, 0}},
			first:   "positive A 192.0.2.7 | have ns1", after: 1 * ms,
			rest: "positive A 192.0.2.7 | have ns1 | lack ns2 ns3 | silent ns4", restAfter: patience - 1*ms,
			wantObserved: "nodata nxdomain timeout timeout yes",
		},
		{
			name:    "none has it",
			replies: [4]reply{{nxdomain, 1 * ms}, {nxdomain, 2 * ms}, {nxdomain, 3 * ms}, {nxdomain, 40 * ms}},
			first:   "nxdomain | lack ns1 ns2 ns3 ns4", after: 40 * ms,
			rest:         "nxdomain | lack ns1 ns2 ns3 ns4",
			wantObserved: "nxdomain nxdomain nxdomain nxdomain",
		},
		{
			name:    "NODATA over NXDOMAIN",
			replies: [4]reply{{nxdomain, 1 * ms}, {nodata, 2 * ms}, {nxdomain, 3 * ms}, {nxdomain, 4 * ms}},
			first:   "nodata | lack ns1 ns2 ns3 ns4", after: 4 * ms,
			rest:         "nodata | lack ns1 ns2 ns3 ns4",
			wantObserved: "nodata nxdomain nxdomain nxdomain",
		},
		{
			name:    "a slow one is waited for 300 ms after the first",
			replies: [4]reply{{nxdomain, 100 * ms}, {nxdomain, 200 * ms}, {nodata, 401 * ms}, {dead, 0}},
			first:   "nxdomain | lack ns1 ns2", after: 400 * ms,
			rest: "nodata | lack ns1 ns2 ns3 | silent ns4", restAfter: patience - 400*ms,
			wantObserved: "nodata nxdomain nxdomain timeout timeout",
		},
		{
			name:    "one has it and is too slow",
			replies: [4]reply{{nxdomain, 10 * ms}, {nxdomain, 10 * ms}, {nxdomain, 10 * ms}, {yes, 311 * ms}},
			first:   "nxdomain | lack ns1 ns2 ns3", after: 310 * ms,
			rest: "positive A 192.0.2.7 | have ns4 | lack ns1 ns2 ns3", restAfter: 1 * ms,
			wantObserved: "nxdomain nxdomain nxdomain yes",
		},
		{
			name:    "what is no answer starts no wait",
			replies: [4]reply{{says(dns.RcodeRefused), 1 * ms}, {says(dns.RcodeServerFailure), 1 * ms}, {nil, 0}, {yes, 450 * ms}},
			first:   "positive A 192.0.2.7 | have ns4 | silent ns1 ns2 ns3", after: 450 * ms,
			rest:         "positive A 192.0.2.7 | have ns4 | silent ns1 ns2 ns3",
			wantObserved: "lame lame unreachable yes",
		},
		{
			name:    "a late reply to the first query",
			replies: [4]reply{{yes, 1400 * ms}, {dead, 0}, {nil, 0}, {says(dns.RcodeRefused), 1 * ms}},
			first:   "positive A 192.0.2.7 | have ns1 | silent ns3 ns4", after: 1400 * ms,
			rest: "positive A 192.0.2.7 | have ns1 | silent ns2 ns3 ns4", restAfter: 100 * ms,
			wantObserved: "lame timeout timeout timeout unreachable yes",
		},
		{
			name:    "all silent",
			replies: [4]reply{{dead, 0}, {dead, 0}, {dead, 0}, {dead, 0}},
			first:   ErrSilent.Error(), after: patience,
			wantObserved: "timeout timeout timeout timeout timeout timeout timeout timeout",
		},
		{
			name:    "all lame",
			replies: [4]reply{{says(dns.RcodeRefused), 1 * ms}, {says(dns.RcodeServerFailure), 2 * ms}, {says(dns.RcodeSuccess), 3 * ms}, {says(dns.RcodeNotAuth), 4 * ms}},
			first:   ErrSilent.Error(), after: 4 * ms,
			wantObserved: "lame lame lame lame",
		},
		{
			name:    "all unreachable",
			replies: [4]reply{{nil, 0}, {nil, 0}, {nil, 0}, {nil, 0}},
			first:   ErrSilent.Error(), after: 0,
			wantObserved: "unreachable unreachable unreachable unreachable",
		},
	}
	shorter := strings.NewReplacer(".shipit.dev", "")
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inFour(t, func(w *world, zone *zoneData) {
				for i, r := range tt.replies {
					addr := fmt.Sprintf("192.0.2.%d", i+1)
					if r.h == nil {
						w.serve(nil, addr)
						continue
					}
					w.only(zone, slow(r.after, r.h), addr)
				}
				a, got, after := w.ask("www.shipit.dev. A")
				if got = shorter.Replace(got); got != tt.first || after != tt.after {
					t.Errorf("\n got %s after %v\nwant %s after %v", got, after, tt.first, tt.after)
				}
				if tt.rest != "" {
					for _, after := range []time.Duration{tt.restAfter, 0} { // a second time: at once
						began := time.Now()
						all := a.Rest(w.t.Context())
						if got := shorter.Replace(answerText(all)); got != tt.rest || time.Since(began) != after {
							t.Errorf("the rest\n got %s after %v\nwant %s after %v", got, time.Since(began), tt.rest, after)
						}
					}
					if again := shorter.Replace(answerText(a)); again != tt.first {
						t.Errorf("got the first answer changed to %s, want %s", again, tt.first)
					}
				}
				synctest.Wait()
				slices.Sort(w.observed)
				if got := strings.Join(w.observed, " "); got != tt.wantObserved {
					t.Errorf("observed\n got %s\nwant %s", got, tt.wantObserved)
				}
			})
		})
	}
}

func TestRestEndsWithItsContext(t *testing.T) {
	inFour(t, func(w *world, zone *zoneData) {
		w.only(zone, dead, "192.0.2.3", "192.0.2.4")
		w.only(zone, slow(time.Second, nxdomain), "192.0.2.2")
		a := w.want("www.shipit.dev. A", "positive A 192.0.2.7 | have ns1.shipit.dev", 0)
		ctx, cancel := context.WithTimeout(w.t.Context(), 100*time.Millisecond)
		defer cancel()
		const want = "positive A 192.0.2.7 | have ns1.shipit.dev | silent ns2.shipit.dev ns3.shipit.dev ns4.shipit.dev"
		if got := answerText(a.Rest(ctx)); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
}

func TestQuestionIsSentAgainToAServerThatKeepsSilent(t *testing.T) {
	inFour(t, func(w *world, zone *zoneData) {
		var got atomic.Bool
		w.only(zone, func(q *dns.Msg) *dns.Msg {
			if got.CompareAndSwap(false, true) {
				return nil // lost
			}
			return yes(q)
		}, "192.0.2.1")
		w.only(zone, dead, "192.0.2.2", "192.0.2.3", "192.0.2.4")
		w.want("other.shipit.dev. A", "positive A 192.0.2.7 | have ns1.shipit.dev", retransmit)
		synctest.Wait()
		for i := 1; i <= 4; i++ {
			if got, want := w.times(fmt.Sprintf("192.0.2.%d", i), "other.shipit.dev. A"), "1m0s 1m0.5s"; got != want {
				t.Errorf("ns%d: got asked at %s, want %s", i, got, want)
			}
		}
	})
}

// The first packet's fate is not that of the second.
func TestErrorAfterTheQuestionWasSentAgainIsNotTheEnd(t *testing.T) {
	inFour(t, func(w *world, zone *zoneData) {
		var got atomic.Bool
		w.only(zone, func(q *dns.Msg) *dns.Msg {
			if got.CompareAndSwap(false, true) {
				time.Sleep(600 * time.Millisecond)
				return unreachable
			}
			return slow(200*time.Millisecond, yes)(q)
		}, "192.0.2.1")
		w.only(zone, dead, "192.0.2.2", "192.0.2.3", "192.0.2.4")
		w.want("www.shipit.dev. A", "positive A 192.0.2.7 | have ns1.shipit.dev", 700*time.Millisecond)
	})
}

// Whatever Exchange says when its own time is up.
func TestTimeoutsAreToldFromUnreachableServers(t *testing.T) {
	t.Parallel()
	for err, want := range map[error]string{
		upstream.ErrTimeout: "timeout", fmt.Errorf("over TCP: %w", upstream.ErrTimeout): "timeout",
		errUnreachable: "unreachable", upstream.ErrBusy: "unreachable",
	} {
		if got := label(err); got != want {
			t.Errorf("%v: got %s, want %s", err, got, want)
		}
	}
}

func TestFewAsksTwoServersInTurnAndAllOnceOneHasIt(t *testing.T) {
	inFour(t, func(w *world, zone *zoneData) {
		seen := make(map[string]int)
		for range 8 {
			a, got, _ := w.ask("new.shipit.dev. A +few")
			if a == nil || len(a.Lack) != few || len(a.Have)+len(a.Silent) != 0 {
				t.Fatalf("got %s, want the word of two servers", got)
			}
			for _, name := range a.Lack {
				seen[name]++
			}
		}
		for i := 1; i <= 4; i++ {
			if name := fmt.Sprintf("ns%d.shipit.dev", i); seen[name] != 4 {
				t.Errorf("%s: got asked %d times of 8, want 4", name, seen[name])
			}
		}

		w.only(zone, yes, "192.0.2.3")
		for range 4 {
			a, _, _ := w.ask("new.shipit.dev. A +few")
			asked := slices.Contains(a.Have, "ns3.shipit.dev")
			if asked != (a.Kind == wire.Positive) {
				t.Errorf("got %s from %v and %v", a.Kind, a.Have, a.Lack)
			}
			want := "nxdomain | lack " + strings.Join(a.Lack, " ")
			if asked {
				want = "positive A 192.0.2.7 | have ns3.shipit.dev | lack ns1.shipit.dev ns2.shipit.dev ns4.shipit.dev"
			}
			w.rest(a, want, 0)
		}

		// Two that keep silent say nothing about the others.
		w.only(zone, dead, "192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4")
		w.forget()
		w.want("new.shipit.dev. A +few", ErrSilent.Error(), patience)
		if got := w.count("new.shipit.dev. A"); got != 2*few {
			t.Errorf("got %d queries, want %d: two to each of two", got, 2*few)
		}
	})
}

func TestBudget(t *testing.T) {
	inFour(t, func(w *world, zone *zoneData) {
		w.budget = 0
		w.want("www.shipit.dev. A", ErrBudget.Error(), 0)
		w.same("asked", w.asked())

		// Those that are spared might have said something else.
		w.budget = 3
		a, got, _ := w.ask("new.shipit.dev. A")
		if a == nil || len(a.Lack) != 3 || len(a.Spared) != 1 {
			t.Errorf("3 packets for 4 servers: got %s, want the word of three", got)
		}
		// The one that has it is heard, and there is no leave to ask the others.
		w.budget = 2
		a, _, _ = w.ask("www.shipit.dev. A +few")
		if a = a.Rest(w.t.Context()); len(a.Have) != 2 || len(a.Spared) != 2 || a.All() {
			t.Errorf("2 packets for 4 servers: got %s, want the word of two", answerText(a))
		}
		// A packet that is sent again is one more.
		w.only(zone, dead, "192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4")
		w.forget()
		w.budget = 6
		w.want("www.shipit.dev. A", ErrSilent.Error(), patience)
		if got := w.count("www.shipit.dev. A"); got != 6 || w.budget != 0 {
			t.Errorf("got %d queries and %d left of 6", got, w.budget)
		}
	})
}

func TestBudgetSparesAnotherServerEachTime(t *testing.T) {
	inFour(t, func(w *world, zone *zoneData) {
		asked := make(map[string]bool)
		for range 4 {
			w.budget = 1
			a, got, _ := w.ask("new.shipit.dev. A")
			if a == nil || len(a.Lack) != 1 || len(a.Spared) != 3 {
				t.Fatalf("got %s, want the word of one of four", got)
			}
			asked[a.Lack[0]] = true
		}
		if len(asked) != 4 {
			t.Errorf("got %v asked, want each of four", asked)
		}
	})
}

func TestAllAndNone(t *testing.T) {
	t.Parallel()
	ns := []string{"ns1"}
	tests := []struct {
		name      string
		a         Answer
		all, none bool
	}{
		{"all have it", Answer{Have: ns}, true, false},
		{"none has it", Answer{Lack: ns}, false, true},
		{"some have it", Answer{Have: ns, Lack: ns}, false, false},
		{"one that has it is silent", Answer{Have: ns, Silent: ns}, false, false},
		{"one that lacks it is silent", Answer{Lack: ns, Silent: ns}, false, false},
		{"one beside one that has it is spared", Answer{Have: ns, Spared: ns}, false, false},
		{"one beside one that lacks it is spared", Answer{Lack: ns, Spared: ns}, false, false},
		{"nobody has said anything", Answer{}, false, false},
	}
	for _, tt := range tests {
		if all, none := tt.a.All(), tt.a.None(); all != tt.all || none != tt.none {
			t.Errorf("%s: got all %v, none %v; want %v, %v", tt.name, all, none, tt.all, tt.none)
		}
	}
}

func TestDiscoveryAndProbesAreNotOnTheBudget(t *testing.T) {
	inShipit(t, func(w *world, zone *zoneData) {
		w.budget = 2
		w.wantAll("www.shipit.dev. A", "positive A 192.0.2.7 | have ns1.shipit.dev ns2.shipit.dev", 0)
		w.same("observed", w.observed, "yes", "yes")
	})
}

func TestQueryCarriesDO(t *testing.T) {
	inFour(t, func(w *world, zone *zoneData) {
		for _, question := range []string{"www.shipit.dev. A", "www.shipit.dev. A +do"} {
			w.forget()
			w.ask(question)
			synctest.Wait()
			for _, q := range w.queries {
				opt := q.msg.IsEdns0()
				if opt == nil || opt.UDPSize() != wire.UDPSize || opt.Do() != strings.HasSuffix(question, "+do") {
					t.Errorf("%s: got %v, want an OPT with 1232 bytes and DO as asked", question, opt)
				}
				if q.msg.RecursionDesired {
					t.Errorf("%s: got RD", question)
				}
			}
		}
	})
}

func TestPortOfServersThatAreFound(t *testing.T) {
	inShipit(t, func(w *world, zone *zoneData) {
		w.config.Port = 5353
		w.want("www.shipit.dev. A", "servers of shipit.dev. cannot be asked: ns1.shipit.dev: connection refused; ns2.shipit.dev: connection refused", 0)
		for _, q := range w.queries {
			if q.at.Port() != 5353 {
				t.Errorf("got a query to %v, want port 5353", q.at)
			}
		}
	})
}

func TestFunctionsThatMayBeNil(t *testing.T) {
	inShipit(t, func(w *world, zone *zoneData) {
		f := New(Config{Exchange: w.exchange, Lookup: w.lookup})
		ctx, cancel := context.WithCancel(w.t.Context())
		var running sync.WaitGroup
		running.Go(func() { f.Run(ctx) })
		a, err := f.Ask(w.t.Context(), Request{Name: "www.shipit.dev.", Type: dns.TypeA})
		if err != nil || answerText(a.Rest(w.t.Context())) != "positive A 192.0.2.7 | have ns1.shipit.dev ns2.shipit.dev" {
			t.Errorf("got %v, %v, want an answer", a, err)
		}
		w.serve(nil, "192.0.2.1", "192.0.2.2")
		if _, err := f.Ask(w.t.Context(), Request{Name: "www.shipit.dev.", Type: dns.TypeA}); !errors.Is(err, ErrSilent) {
			t.Errorf("got %v, want ErrSilent", err)
		}
		w.upstream(dead)
		var degraded Degraded
		if _, err := f.Ask(w.t.Context(), Request{Name: "www.example.net.", Type: dns.TypeA}); !errors.As(err, &degraded) {
			t.Errorf("got %v, want Degraded", err)
		}
		cancel()
		running.Wait()
	})
}

func TestAskAfterRunHasEnded(t *testing.T) {
	inShipit(t, func(w *world, zone *zoneData) {
		w.wantAll("www.shipit.dev. A", "positive A 192.0.2.7 | have ns1.shipit.dev ns2.shipit.dev", 0)
		w.end()
		<-w.ended
		w.forget()
		for _, question := range []string{"www.shipit.dev. A", "www.example.net. A watch=example.net.", "www.shipit.dev. A at=192.0.2.1:53"} {
			if _, err := w.Ask(w.t.Context(), w.request(question)); !errors.Is(err, ErrStopped) {
				t.Errorf("%s: got %v, want ErrStopped", question, err)
			}
		}
		synctest.Wait()
		w.wantLookups()
		w.same("asked", w.asked())
		w.wantChanges()
	})
}

func TestRunEndsWhatIsUnderWay(t *testing.T) {
	for _, when := range []string{"discovery", "probes", "probes of given servers", "question"} {
		t.Run(when, func(t *testing.T) {
			inShipit(t, func(w *world, zone *zoneData) {
				question := "www.shipit.dev. A"
				switch when {
				case "discovery":
					w.upstream(dead)
				case "probes of given servers":
					question += " at=192.0.2.1:53"
					fallthrough
				case "probes":
					w.serve(dead, "192.0.2.1", "192.0.2.2")
				case "question":
					w.only(zone, dead, "192.0.2.1", "192.0.2.2")
				}
				failed := make(chan error)
				go func() {
					_, err := w.Ask(w.t.Context(), w.request(question))
					failed <- err
				}()
				time.Sleep(100 * time.Millisecond)
				began := time.Now()
				w.end()
				<-w.ended
				if err := <-failed; !errors.Is(err, ErrStopped) || time.Since(began) != 0 {
					t.Errorf("got %v after %v, want ErrStopped at once", err, time.Since(began))
				}
				w.wantChanges()
			})
		})
	}
}
