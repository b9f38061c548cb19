package wait

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"notyet/authority"
)

const ms = time.Millisecond

func TestAllServersHaveToHaveIt(t *testing.T) {
	inWorld(t, func(w *world) {
		w.publish(700*ms, "shipit.dev.", 1, "new.shipit.dev. A 192.0.2.7")
		w.publish(3*time.Second, "shipit.dev.", 2, "new.shipit.dev. A 192.0.2.7")
		var seen []string
		r, err := w.waits("new.shipit.dev. A", time.Minute, func(c *Config) {
			c.Progress = func(r *Report) { seen = append(seen, reportText(r)) }
		})
		// It is asked after 0, 0.25, 0.625 and 1.1875 s, and as something is new then, 0.25, 0.625, 1.1875 and 2.03125 s later.
		w.wantDone(r, err, 3218750*time.Microsecond, "ns1.shipit.dev ready 192.0.2.7 1.1875s, ns2.shipit.dev ready 192.0.2.7 3.21875s")
		if len(seen) == 0 || seen[0] != "ns1.shipit.dev behind NXDOMAIN 0s, ns2.shipit.dev behind NXDOMAIN 0s" {
			t.Errorf("got %q told first", seen)
		}
	})
}

func TestAnyServerWillDoIfThatIsWanted(t *testing.T) {
	inWorld(t, func(w *world) {
		w.publish(300*ms, "shipit.dev.", 2, "new.shipit.dev. A 192.0.2.7")
		r, err := w.waits("new.shipit.dev. A", time.Minute, func(c *Config) { c.Any = true })
		w.wantDone(r, err, 625*ms, "ns1.shipit.dev behind NXDOMAIN 0s, ns2.shipit.dev ready 192.0.2.7 625ms")
	})
}

func TestRecordsOfAnotherTypeAreNotEnough(t *testing.T) {
	inWorld(t, func(w *world) {
		w.everywhere("shipit.dev.", "new.shipit.dev. AAAA 2001:db8::1")
		r, err := w.waits("new.shipit.dev. A", 5*time.Second, nil)
		w.wantMissing(r, err, "ns1.shipit.dev: NODATA", "ns2.shipit.dev: NODATA")
	})
}

func TestValueIsWaitedFor(t *testing.T) {
	inWorld(t, func(w *world) {
		w.everywhere("shipit.dev.", "www.shipit.dev. A 192.0.2.6")
		for ns, after := range map[int]time.Duration{1: 100 * ms, 2: 200 * ms} {
			w.publish(after, "shipit.dev.", ns, "www.shipit.dev. A 192.0.2.8")
			w.publish(after, "shipit.dev.", ns, "www.shipit.dev. A 192.0.2.7")
			w.remove(after, "shipit.dev.", ns, "www.shipit.dev. A 192.0.2.6")
		}
		r, err := w.waits("www.shipit.dev. A 192.0.2.7 192.0.2.8", time.Minute, nil)
		w.wantDone(r, err, 250*ms, "ns1.shipit.dev ready 192.0.2.7+192.0.2.8 250ms, ns2.shipit.dev ready 192.0.2.7+192.0.2.8 250ms")
	})
}

func TestEveryValueHasToBeThere(t *testing.T) {
	inWorld(t, func(w *world) {
		w.everywhere("shipit.dev.", "www.shipit.dev. A 192.0.2.7")
		r, err := w.waits("www.shipit.dev. A 192.0.2.7 192.0.2.8", 5*time.Second, nil)
		w.wantMissing(r, err, "ns1.shipit.dev: 192.0.2.7", "ns2.shipit.dev: 192.0.2.7")
	})
}

func TestRemovalIsWaitedFor(t *testing.T) {
	inWorld(t, func(w *world) {
		w.everywhere("shipit.dev.", "www.shipit.dev. A 192.0.2.7")
		w.remove(0, "shipit.dev.", 1, "www.shipit.dev. A 192.0.2.7")
		w.remove(300*ms, "shipit.dev.", 2, "www.shipit.dev. A 192.0.2.7")
		time.Sleep(ms)
		r, err := w.waits("www.shipit.dev. A", time.Minute, func(c *Config) { c.Gone = true })
		w.wantDone(r, err, 625*ms, "ns1.shipit.dev ready NXDOMAIN 0s, ns2.shipit.dev ready NXDOMAIN 625ms")
	})
}

func TestServerThatIsSilentIsWaitedFor(t *testing.T) {
	inWorld(t, func(w *world) {
		w.everywhere("shipit.dev.", "new.shipit.dev. A 192.0.2.7")
		w.zones["shipit.dev."][1].fault = errTimeout
		w.at(2*time.Second, "shipit.dev.", 2, func(s *server) { s.fault = nil })
		r, err := w.waits("new.shipit.dev. A", time.Minute, nil)
		w.wantDone(r, err, 3250*ms, "ns1.shipit.dev ready 192.0.2.7 0s, ns2.shipit.dev ready 192.0.2.7 3.25s")
	})
}

func TestSilentServersAreNamedWhenTheTimeIsUp(t *testing.T) {
	inWorld(t, func(w *world) {
		w.everywhere("shipit.dev.", "new.shipit.dev. A 192.0.2.7")
		w.zones["shipit.dev."][0].fault = errTimeout
		w.zones["shipit.dev."][1].fault = errors.New("REFUSED")
		w.zones["shipit.dev."][1].counted = false
		r, err := w.waits("new.shipit.dev. A", 10*time.Second, nil)
		w.wantMissing(r, err, "ns1.shipit.dev: timeout", "ns2.shipit.dev: REFUSED")
	})
}

func TestServerThatRefusesIsNotSilent(t *testing.T) {
	inWorld(t, func(w *world) {
		for fault, want := range map[error]string{
			errTimeout: "silent timeout", fmt.Errorf("read: %w", syscall.ECONNREFUSED): "silent read: " + syscall.ECONNREFUSED.Error(),
			errors.New("REFUSED"): "lame REFUSED", authority.ErrNoAuthority: "lame answers without authority",
		} {
			w.zones["shipit.dev."][1].fault = fault
			r, _ := w.waits("new.shipit.dev. A", 5*time.Second, nil)
			if got := reportText(r); !strings.Contains(got, "ns2.shipit.dev "+want+" ") {
				t.Errorf("%v: got %s, want %s", fault, got, want)
			}
			w.wantMissing(r, ErrMissing, "ns1.shipit.dev: NXDOMAIN", "ns2.shipit.dev: "+fault.Error())
		}
	})
}

func TestServerWithoutAnAddressIsNotWaitedFor(t *testing.T) {
	inWorld(t, func(w *world) {
		w.everywhere("shipit.dev.", "new.shipit.dev. A 192.0.2.7")
		w.absent = []string{"ns3.shipit.dev"}
		r, err := w.waits("new.shipit.dev. A", time.Minute, nil)
		w.wantDone(r, err, 0, "ns1.shipit.dev ready 192.0.2.7 0s, ns2.shipit.dev ready 192.0.2.7 0s, ns3.shipit.dev absent no address 0s")
	})
}

func TestZoneThatCannotBeAskedIsWaitedFor(t *testing.T) {
	inWorld(t, func(w *world) {
		w.everywhere("shipit.dev.", "new.shipit.dev. A 192.0.2.7")
		w.degraded["shipit.dev."] = errors.New("no server answers")
		r, err := w.waits("new.shipit.dev. A", time.Second, nil)
		w.wantMissing(r, err, "new.shipit.dev: no server answers")
		time.AfterFunc(300*ms, func() {
			w.mu.Lock()
			defer w.mu.Unlock()
			delete(w.degraded, "shipit.dev.")
		})
		r, err = w.waits("new.shipit.dev. A", time.Minute, nil)
		w.wantDone(r, err, 625*ms, "ns1.shipit.dev ready 192.0.2.7 625ms, ns2.shipit.dev ready 192.0.2.7 625ms")
	})
}

func TestQuestionsBecomeRare(t *testing.T) {
	inWorld(t, func(w *world) {
		w.waits("new.shipit.dev. A", time.Second, nil)
		if n := len(w.asked); n != 3 {
			t.Errorf("got %d questions in the first second, want 3", n)
		}
		w.asked = nil
		w.waits("new.shipit.dev. A", 5*time.Minute, nil)
		if n := len(w.asked); n < 75 || n > 90 {
			t.Errorf("got %d questions in 5 minutes, want one every 4 s, and some more at the beginning", n)
		}
	})
}

func TestInterruptedWaitEndsAtOnceAndTellsHowFarItCame(t *testing.T) {
	inWorld(t, func(w *world) {
		ctx, cancel := context.WithCancel(w.t.Context())
		time.AfterFunc(10*time.Second, cancel)
		began := time.Now()
		r, err := Run(ctx, Config{Name: "new.shipit.dev.", Type: 1, Ask: w.ask, Request: func(qname string, qtype uint16) authority.Request {
			return authority.Request{Name: qname, Type: qtype}
		}})
		if !errors.Is(err, context.Canceled) || time.Since(began) != 10*time.Second {
			t.Errorf("got %v after %v, want it canceled after 10s", err, time.Since(began))
		}
		if got, want := r.Missing(), []string{"ns1.shipit.dev: NXDOMAIN", "ns2.shipit.dev: NXDOMAIN"}; !slices.Equal(got, want) {
			t.Errorf("missing\n got %q\nwant %q", got, want)
		}
	})
}

func TestServerThatWasNotHeardStillSaysWhatItSaid(t *testing.T) {
	inWorld(t, func(w *world) {
		w.publish(300*ms, "shipit.dev.", 1, "new.shipit.dev. A 192.0.2.7")
		w.at(100*ms, "shipit.dev.", 2, func(s *server) { s.counted = false })
		r, err := w.waits("new.shipit.dev. A", 5*time.Second, nil)
		w.wantMissing(r, err, "ns2.shipit.dev: NXDOMAIN")
	})
}

func TestThereMayBeNoTimeToFindTheServers(t *testing.T) {
	inWorld(t, func(w *world) {
		for _, s := range w.zones["shipit.dev."] {
			s.fault = errTimeout
		}
		r, err := w.waits("new.shipit.dev. A", time.Second, nil)
		w.wantMissing(r, err, "new.shipit.dev: there was no time to find its name servers")
	})
}
