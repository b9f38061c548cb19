package demo

import (
	"context"
	"errors"
	"io"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"
)

// inMemory tells the story in fake time, and says how long it took.
func inMemory(t *testing.T, ctx context.Context, c Config) (r Result, took time.Duration, err error) {
	t.Helper()
	n := new(memory)
	if c.Notyet == nil {
		c.Notyet = notyet(n)
	}
	began := time.Now()
	r, err = run(ctx, c, n)
	return r, time.Since(began), err
}

func TestStoryInLines(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		file string
		fast bool
	}{{"lines.txt", false}, {"fast.txt", true}} {
		t.Run(tc.file, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var out strings.Builder
				if _, _, err := inMemory(t, t.Context(), Config{Fast: tc.fast, Out: &out}); err != nil {
					t.Fatal(err)
				}
				golden(t, tc.file, out.String())
				for line := range strings.Lines(out.String()) {
					if len(line) > widest+1 || strings.Contains(line, "\x1b") {
						t.Errorf("line %q: want at most %d bytes, and no escape sequence", line, widest)
					}
				}
			})
		})
	}
}

func TestTimesAreThoseThatWereSeen(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, took, err := inMemory(t, t.Context(), Config{Out: io.Discard})
		if err != nil {
			t.Fatal(err)
		}
		want := Result{
			Name: "pr-7.preview.example.com.", NegativeTTL: 20 * time.Second, Published: 2 * time.Second,
			InSync: 5 * time.Second, Notyet: time.Second, Plain: 18 * time.Second,
		}
		servers := []Server{ // by their addresses
			{"ns1", 3200 * time.Millisecond}, {"ns2", 5 * time.Second}, {"ns3", 800 * time.Millisecond}, {"ns4", 1500 * time.Millisecond},
		}
		if !slices.Equal(r.Servers, servers) {
			t.Errorf("got servers %v, want %v", r.Servers, servers)
		}
		if r.Servers = nil; r.Name != want.Name || r.NegativeTTL != want.NegativeTTL || r.Published != want.Published ||
			r.InSync != want.InSync || r.Notyet != want.Notyet || r.Plain != want.Plain {
			t.Errorf("got %+v, want %+v", r, want)
		}
		if took != 20*time.Second {
			t.Errorf("it took %v, want 20s", took)
		}
	})
}

func TestFastStoryTakesThreeSeconds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, took, err := inMemory(t, t.Context(), Config{Fast: true, Out: io.Discard})
		if err != nil || took != 3*time.Second || r.Plain != 2500*time.Millisecond || r.Notyet != 500*time.Millisecond {
			t.Errorf("got %+v, %v after %v", r, err, took)
		}
	})
}

func TestStoryEndsAtOnceWhenInterrupted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const after = 5*time.Second + 10*time.Millisecond // between two rounds
		ctx, cancel := context.WithTimeout(t.Context(), after)
		defer cancel()
		_, took, err := inMemory(t, ctx, Config{Out: io.Discard})
		if !errors.Is(err, ErrInterrupted) || took != after {
			t.Errorf("got %v after %v, want %v after %v", err, took, ErrInterrupted, after)
		}
	})
}

func TestStoryEndsAtOnceWhenInterruptedWhileNobodyAnswers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := new(memory)
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		began := time.Now()
		_, err := run(ctx, Config{Out: io.Discard, Notyet: says(n, func(*dns.Msg) *dns.Msg { return nil })}, n)
		if took := time.Since(began); !errors.Is(err, ErrInterrupted) || took != 300*time.Millisecond {
			t.Errorf("got %v after %v, want %v after 300ms", err, took, ErrInterrupted)
		}
	})
}

// says makes a notyet that answers as h does.
func says(n network, h handler) func(context.Context, Setting, func(netip.AddrPort)) error {
	return func(ctx context.Context, _ Setting, listening func(netip.AddrPort)) error {
		at, err := n.listen(h)
		if err != nil {
			return err
		}
		listening(at)
		<-ctx.Done()
		return nil
	}
}

// deny makes a "no" that is kept for a second.
func deny(q *dns.Msg) *dns.Msg {
	m := new(dns.Msg).SetRcode(q, dns.RcodeNameError)
	m.Ns = []dns.RR{(&zone{negativeTTL: time.Second}).soa()}
	return m
}

// affirm makes the answer.
func affirm(q *dns.Msg) *dns.Msg {
	m := new(dns.Msg).SetReply(q)
	m.Answer = []dns.RR{&dns.A{Hdr: dns.RR_Header{Name: qname, Rrtype: qtype, Class: dns.ClassINET, Ttl: 60}, A: address.AsSlice()}}
	return m
}

func TestWhatIsNotTheStoryIsToldAsAFault(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		says func(since time.Duration, q *dns.Msg) *dns.Msg
		took time.Duration
		want string
	}{
		{
			"notyet never has it",
			func(_ time.Duration, q *dns.Msg) *dns.Msg { return deny(q) },
			4800 * time.Millisecond, "no record from notyet within 4.8 s: this machine may be too busy",
		},
		{
			"notyet never answers",
			func(time.Duration, *dns.Msg) *dns.Msg { return nil },
			4800 * time.Millisecond, "no answer from notyet within 4.8 s: this",
		},
		{
			"notyet is no faster",
			func(since time.Duration, q *dns.Msg) *dns.Msg {
				if since < 3500*time.Millisecond {
					return deny(q)
				}
				return affirm(q)
			},
			3500 * time.Millisecond, "notyet had the record 3.0 s after it was published, and plain 2.5 s: this machine is too busy",
		},
		{
			"notyet loses it again",
			func(since time.Duration, q *dns.Msg) *dns.Msg {
				if since < time.Second || since > 2*time.Second {
					return deny(q)
				}
				return affirm(q)
			},
			3 * time.Second, "notyet had the record, and then said no again",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				n := new(memory)
				began := time.Now()
				c := Config{Fast: true, Out: io.Discard, Notyet: says(n, func(q *dns.Msg) *dns.Msg { return tc.says(time.Since(began), q) })}
				_, err := run(t.Context(), c, n)
				if took := time.Since(began); err == nil || !strings.HasPrefix(err.Error(), tc.want) || took != tc.took {
					t.Errorf("got %v after %v, want %s after %v", err, took, tc.want, tc.took)
				}
			})
		})
	}
}

func TestNothingIsPublishedBeforeBothHaveSaidNo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := new(memory)
		began := time.Now()
		r, err := run(t.Context(), Config{Fast: true, Out: io.Discard, Notyet: says(n, func(q *dns.Msg) *dns.Msg {
			switch since := time.Since(began); {
			case since < 900*time.Millisecond:
				return nil
			case since < 2*time.Second:
				return deny(q)
			}
			return affirm(q)
		})}, n)
		if err != nil || r.Published != time.Second {
			t.Errorf("got %+v, %v, want it published after 1s", r, err)
		}
	})
}

func TestMoralSaysWhatWasMeasured(t *testing.T) {
	t.Parallel()
	r := Result{
		NegativeTTL: 20 * time.Second, Published: 2 * time.Second, Servers: []Server{{"ns1", 3 * time.Second}, {"ns2", time.Second}},
		InSync: 3 * time.Second, Notyet: 1500 * time.Millisecond, Plain: 18 * time.Second,
	}
	for _, tc := range []struct {
		change     func(*Result)
		want, lack string
	}{
		{func(*Result) {}, "Both were asked 2.0 s too early", "as soon as"},
		{func(*Result) {}, "for the 20 s that it may, and went on saying it for 15.0 s after all name servers had the record.", "as soon as"},
		{func(*Result) {}, "had the record 0.5 s after the first of them.", "as soon as"},
		{func(r *Result) { r.Notyet = time.Second }, "had the record as soon as the first of them.", "0.0 s"},
		{func(r *Result) { r.Plain = 2 * time.Second }, "for the 20 s that it may. notyet", "went on"},
	} {
		r := r
		tc.change(&r)
		if got := moral(r); !strings.Contains(got, tc.want) || strings.Contains(got, tc.lack) {
			t.Errorf("%+v: got %q, want %q", r, got, tc.want)
		}
	}
}

func TestStoryThatIsInterruptedBeforeNotyetListensSaysSo(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c := Config{Out: io.Discard, Notyet: func(ctx context.Context, _ Setting, _ func(netip.AddrPort)) error {
		<-ctx.Done()
		return ctx.Err()
	}}
	if _, err := run(ctx, c, new(memory)); !errors.Is(err, ErrInterrupted) {
		t.Errorf("got %v, want %v", err, ErrInterrupted)
	}
}

func TestStartThatFailsSaysWhatToDo(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		fault error
		want  string
	}{
		{syscall.EADDRINUSE, "; end what holds all ports of 127.0.0.1: the demo needs six"},
		{syscall.EMFILE, "; let this process open more files, as with ulimit -n 256"},
		{syscall.EADDRNOTAVAIL, "; bring the loopback interface up: the demo needs 127.0.0.1"},
	} {
		n := &memory{fault: tc.fault}
		_, err := run(t.Context(), Config{Out: io.Discard, Notyet: notyet(n)}, n)
		if !errors.Is(err, tc.fault) || !strings.HasSuffix(err.Error(), tc.want) {
			t.Errorf("got %v, want %v … %s", err, tc.fault, tc.want)
		}
		full := func(context.Context, Setting, func(netip.AddrPort)) error { return tc.fault }
		_, err = run(t.Context(), Config{Out: io.Discard, Notyet: full}, new(memory))
		if !errors.Is(err, tc.fault) || !strings.HasSuffix(err.Error(), tc.want) {
			t.Errorf("notyet: got %v, want %v … %s", err, tc.fault, tc.want)
		}
	}
}

func TestNotyetThatDoesNotStartEndsTheStory(t *testing.T) {
	t.Parallel()
	fault := errors.New("out of luck")
	c := Config{Out: io.Discard, Notyet: func(context.Context, Setting, func(netip.AddrPort)) error { return fault }}
	if _, err := run(t.Context(), c, new(memory)); !errors.Is(err, fault) || err.Error() != "start notyet: out of luck" {
		t.Errorf("got %v", err)
	}
}

func TestStoryThatNobodyCanReadEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		if _, took, err := inMemory(t, t.Context(), Config{Out: full{}}); !errors.Is(err, errFull) || took != 0 {
			t.Errorf("got %v after %v, want %v at once", err, took, errFull)
		}
	})
}
