//go:build e2e && linux

package e2e

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"

	"notyet/e2e/testbed"
)

// TestStopAnswersWhatIsUnderWay sends the signal between a query and the answer of its upstream.
func TestStopAnswersWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		for _, proto := range []string{"udp", "tcp"} {
			t.Run(sig.String()+" over "+proto, func(t *testing.T) {
				t.Parallel()
				u := startUpstream(t, func(in *incoming) {
					select {
					case <-time.After(time.Second):
						in.reply(in.address(rightAddress))
					case <-in.done:
					}
				})
				n := front(t, "", u.addr)
				q := ask("www."+plainZone, dns.TypeA)
				c := dial(t, proto, n.Addr)
				if err := c.send(pack(t, q)); err != nil {
					t.Fatalf("%v", err)
				}
				testbed.Until(t, patience, "the upstream to be asked", func() bool { return u.count("www."+plainZone) > 0 })
				n.Signal(sig)
				b, err := c.receive(patience)
				if err != nil {
					t.Fatalf("%s over %s, with %v under way: no answer: %v", describe(q), proto, sig, err)
				}
				r := parse(t, q, b)
				wantRcode(t, q, r, dns.RcodeSuccess)
				sameRecords(t, q, "answer", r.Answer, []dns.RR{mustRR("www." + plainZone + ". 300 A " + rightAddress)})
				if code := n.Wait(t, patience); code != 0 {
					t.Errorf("%v: got exit code %d, want 0: %s", sig, code, n.Output())
				}
				if n.Left() {
					t.Errorf("%v: notyet left a process behind", sig)
				}
			})
		}
	}
}

func TestStopWithNothingUnderWayIsQuick(t *testing.T) {
	t.Parallel()
	u := startUpstream(t, func(in *incoming) { in.reply(in.address(rightAddress)) })
	timely(t, func() error {
		n := front(t, "", u.addr)
		idle := dial(t, "tcp", n.Addr)
		idle.exchange(t, ask("www."+plainZone, dns.TypeA))
		if took := stop(t, n); took > 2*time.Second {
			return fmt.Errorf("stop with an idle connection: took %v, want it at once", took)
		}
		return nil
	})
}

// stop ends a notyet and says how long that took.
func stop(t testing.TB, n *testbed.Notyet) time.Duration {
	t.Helper()
	start := time.Now()
	n.Signal(syscall.SIGTERM)
	if code := n.Wait(t, patience); code != 0 {
		t.Errorf("got exit code %d, want 0: %s", code, n.Output())
	}
	return time.Since(start)
}

// TestStopTakesFiveSecondsAtMost has upstreams that never answer.
func TestStopTakesFiveSecondsAtMost(t *testing.T) {
	t.Parallel()
	timely(t, func() error {
		u := startUpstream(t, silent)
		n := front(t, "", u.addr, startUpstream(t, silent).addr, startUpstream(t, silent).addr)
		q := ask("www."+plainZone, dns.TypeA)
		for _, proto := range []string{"udp", "tcp"} {
			if err := dial(t, proto, n.Addr).send(pack(t, q)); err != nil {
				t.Fatalf("%v", err)
			}
		}
		testbed.Until(t, patience, "the upstream to be asked", func() bool { return u.count("www."+plainZone) > 0 })
		if took := stop(t, n); took > 6*time.Second {
			return fmt.Errorf("stop with a silent upstream: took %v, want at most 5 s", took)
		}
		return nil
	})
}

// endedBySignal is the exit code of a process that did not end itself.
const endedBySignal = -1

func TestSecondSignalEndsAtOnce(t *testing.T) {
	t.Parallel()
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		t.Run(sig.String(), func(t *testing.T) {
			t.Parallel()
			u := startUpstream(t, silent)
			n := front(t, "", u.addr, startUpstream(t, silent).addr, startUpstream(t, silent).addr)
			q := ask("www."+plainZone, dns.TypeA)
			if err := dial(t, "udp", n.Addr).send(pack(t, q)); err != nil {
				t.Fatalf("%v", err)
			}
			testbed.Until(t, patience, "the upstream to be asked", func() bool { return u.count("www."+plainZone) > 0 })
			n.Signal(syscall.SIGINT)
			testbed.Until(t, patience, "the listener to be closed", func() bool { return listeners(t, n.Addr) == 0 })
			if !n.Running() {
				t.Fatalf("one signal ended it with a query under way: %s", n.Output())
			}
			n.Signal(sig)
			if code := n.Wait(t, patience); code != endedBySignal {
				t.Errorf("after the second signal: got exit code %d, want it ended by the signal", code)
			}
		})
	}
}
