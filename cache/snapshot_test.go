package cache

import (
	"bytes"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"notyet/wire"
)

// snapshot is what is written down at now.
func (w *world) snapshot(now time.Duration) []byte {
	w.Helper()
	var b bytes.Buffer
	if _, err := w.WriteSnapshot(&b, at(now)); err != nil {
		w.Fatal(err)
	}
	return b.Bytes()
}

// restarted is a world that begins at now with a snapshot.
func restarted(t testing.TB, snapshot []byte, now time.Duration, change ...func(*Config)) *world {
	t.Helper()
	w := newWorld(t, change...)
	w.Cache = New(*w.config.Load(), at(now))
	if _, _, err := w.ReadSnapshot(bytes.NewReader(snapshot), at(now)); err != nil {
		t.Fatal(err)
	}
	return w
}

func TestRestoredAnswersAreWhatTheyWere(t *testing.T) {
	t.Parallel()
	for question, reply := range map[string]answer{
		"www.example. A":        a("www.example.", 300*s),
		"www.example. A do":     {answer: "www.example. 300 A 192.0.2.1\nwww.example. 300 RRSIG A 8 2 300 20260201000000 20260101000000 1 example. c2ln", ad: true},
		"www.example. A do cd":  {answer: "www.example. 300 A 192.0.2.2"},
		"www.example. A cd":     {answer: "www.example. 300 A 192.0.2.3"},
		"www.example. A ad":     {answer: "www.example. 300 A 192.0.2.4", ad: true},
		"alias.example. A":      {answer: "alias.example. 600 CNAME web.example.\nweb.example. 200 A 192.0.2.5"},
		"example. NS":           {answer: "example. 300 NS ns.example.", additional: "ns.example. 9 A 192.0.2.53"},
		"mail.example. MX":      {answer: "mail.example. 300 MX 1 mx.example.", authority: "example. 900 NS ns.example."},
		"late.example. A edns":  {answer: "late.example. 300 A 192.0.2.6", ede: "stale"},
		"host.example. HINFO":   {answer: "host.example. 300 HINFO a b"},
		"many.example. TXT":     {answer: strings.Repeat("many.example. 300 TXT "+strings.Repeat("x", 250)+"\n", 200)},
		"sPelled.Example. AAAA": {answer: "spelled.example. 300 AAAA 2001:db8::1"},
		`a\.b\000.example. TXT`: {answer: `a\.b\000.example. 300 TXT "x"`},
	} {
		w := newWorld(t)
		w.put(0, question, reply)
		v := restarted(t, w.snapshot(100*s), 120*s)
		for _, now := range []time.Duration{120 * s, 150*s + 1, 200*s - 1} {
			was, is := w.get(now, question), v.get(now, question)
			if was == nil || is == nil {
				t.Errorf("%s at %v: got %v, want what it was, %v", question, now, is, was)
				continue
			}
			if got, want := v.bytes(now, question, is, wire.MaxMessage), w.bytes(now, question, was, wire.MaxMessage); !bytes.Equal(got, want) {
				t.Errorf("%s at %v: got %v, want what it was, %v", question, now, unpack(t, got), unpack(t, want))
			}
			if is.Kind() != was.Kind() || is.Lifetime() != was.Lifetime() {
				t.Errorf("%s: got %v that is kept %v, want %v and %v", question, is.Kind(), is.Lifetime(), was.Kind(), was.Lifetime())
			}
		}
	}
}

func TestRestoredAnswersExpireInTheirTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.put(0, "www.example. A", a("www.example.", 300*s))
	w.put(90*s+1, "web.example. A", a("web.example.", 60*s))
	w.put(0, "gone.example. A", a("gone.example.", 100*s))   // before it is written down
	w.put(0, "going.example. A", a("going.example.", 120*s)) // before it is read
	b := w.snapshot(100 * s)
	v := newWorld(t)
	v.Cache = New(*v.config.Load(), at(120*s))
	kept, leftOut, err := v.ReadSnapshot(bytes.NewReader(b), at(120*s))
	if kept != 2 || leftOut != 1 || err != nil {
		t.Errorf("got %d kept, %d left out, %v, want 2, 1 and no error", kept, leftOut, err)
	}
	for question, end := range map[string]time.Duration{
		"www.example. A": 300 * s, "web.example. A": 150 * s, "gone.example. A": 0, "going.example. A": 0,
	} {
		if got := v.get(end, question); got != nil {
			t.Errorf("%s at %v: got %v, want a miss", question, end, got)
		}
		if end == 0 {
			if got := v.get(120*s, question); got != nil {
				t.Errorf("%s: got %v, want it left out", question, got)
			}
			continue
		}
		if got := v.ask(end-2*ms, question); got == nil || got.Answer[0].Header().Ttl != 0 {
			t.Errorf("%s just before %v: got %v, want it with TTL 0", question, end, got)
		}
		if got, want := v.ask(120*s, question).Answer[0].Header().Ttl, uint32((end-120*s)/s); got != want {
			t.Errorf("%s at 120 s: got TTL %d, want %d", question, got, want)
		}
	}
}

func TestNegativesAndFailuresAreNotWrittenDown(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.put(0, "gone.example. A", nxdomain(300*s))
	w.put(0, "none.example. MX", nodata(300*s))
	w.put(0, "alias.example. A", behindCNAME("alias.example.", "far.example."))
	w.fail(0, "bad.example. A")
	var b bytes.Buffer
	if n, err := w.WriteSnapshot(&b, at(1)); n != 0 || err != nil {
		t.Errorf("got %d entries, %v, want none", n, err)
	}
	if all := restarted(t, b.Bytes(), 2).totals(); all.positive.entries+all.negative.entries != 0 {
		t.Errorf("got %+v, want an empty cache", all)
	}
}

func TestLimitsOfTheNewCacheHoldForARestoredAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *Config) { c.Memory = 16 << 20 })
	w.put(0, "www.example. A", answer{answer: "www.example. 300 A 192.0.2.1", authority: "example. 900 NS ns.example."})
	v := restarted(t, w.snapshot(10*s), 20*s, func(c *Config) { c.MaxTTL = 60 * s })
	m := v.ask(20*s, "www.example. A")
	if m == nil || m.Answer[0].Header().Ttl != 40 || m.Ns[0].Header().Ttl != 40 {
		t.Errorf("max_ttl 60 s, an answer 20 s old: got %v, want TTLs of 40", m)
	}
	if got := v.get(60*s, "www.example. A"); got != nil {
		t.Errorf("max_ttl 60 s: got %v after 60 s, want a miss", got)
	}

	raw := w.raw("h00000000.example. A", a("h00000000.example.", 300*s))
	for n := range 30000 {
		raw.put(0, n)
	}
	all := restarted(t, w.snapshot(1), 2).totals() // with a quarter of the memory
	if all.positive.bytes > all.positive.limit || all.positive.bytes < all.positive.limit*3/4 {
		t.Errorf("got %+v, want it nearly full", all.positive)
	}
}

// TestLifetimeUnderWatchIsRestored has an answer that may not be used for as long as its TTL says.
func TestLifetimeUnderWatchIsRestored(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	limits := usual()
	limits.MaxTTL = 10 * s
	w.watch(0, "www.example. A", answer{answer: "www.example. 300 A 192.0.2.1"}, limits)
	v := restarted(t, w.snapshot(3*s), 4*s)
	if m := v.ask(4*s, "www.example. A"); m == nil || m.Answer[0].Header().Ttl != 6 {
		t.Errorf("got %v, want it with TTL 6", m)
	}
	if got := v.get(10*s, "www.example. A"); got != nil {
		t.Errorf("got %v after 10 s, want a miss", got)
	}
}

func TestStaleAnswersStandInAfterARestartToo(t *testing.T) {
	t.Parallel()
	w := newWorld(t, staleFor(time.Hour))
	w.put(0, "www.example. A", a("www.example.", 60*s))
	limits := usual()
	limits.NoStale = true
	w.watch(0, "own.example. A", a("own.example.", 60*s), limits)
	w.put(0, "mine.example. A", a("mine.example.", 300*s))
	w.watch(0, "ours.example. A", a("ours.example.", 300*s), limits)
	b := w.snapshot(100 * s)
	v := restarted(t, b, 200*s, staleFor(time.Hour))
	for question, want := range map[string]bool{
		"www.example. A": true, "own.example. A": false, "mine.example. A": true, "ours.example. A": false,
	} {
		if got := v.StandIn(v.key(question), nil, at(400*s)); got != nil != want {
			t.Errorf("%s: got %v to stand in, want that %v", question, got, want)
		}
	}
	if got := restarted(t, b, 200*s).totals().positive.entries; got != 2 {
		t.Errorf("without stale answers: got %d entries, want the 2 that are fresh", got)
	}
	if got := restarted(t, b, 3660*s, staleFor(time.Hour)).totals().positive.entries; got != 1 {
		t.Errorf("after the hour: got %d entries, want the one that is stale for less", got)
	}
}

func TestRestoredAnswerIsRefreshedInTheLastTenthOfItsLife(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.put(0, "www.example. A", a("www.example.", 300*s))
	v, count := newRefreshed(t, true)
	if _, _, err := v.ReadSnapshot(bytes.NewReader(w.snapshot(100*s)), at(200*s)); err != nil {
		t.Fatal(err)
	}
	v.get(269*s, "www.example. A")
	if got := count(); got != 0 {
		t.Errorf("at 269 s: got it refreshed %d times, want not yet", got)
	}
	v.get(271*s, "www.example. A")
	if got := count(); got != 1 {
		t.Errorf("at 271 s: got it refreshed %d times, want once", got)
	}
}

// TestADThatWasNotBelievedIsNotRestored has a reply from which the resolver took AD.
func TestADThatWasNotBelievedIsNotRestored(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.reply("www.example. A do", answer{answer: "www.example. 300 A 192.0.2.1", ad: true})
	r.Flags &^= wire.AD
	w.Put(w.key("www.example. A do"), r, at(0))
	if m := restarted(t, w.snapshot(1), 2).ask(2, "www.example. A do"); m == nil || m.AuthenticatedData {
		t.Errorf("got %v, want it without AD", m)
	}
}

// TestEDETooMuchIsLeftOut has a message with which an OPT would be longer than a message can be.
func TestEDETooMuchIsLeftOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const question = "www.example. TXT"
	const length = wire.MaxMessage - wire.OPTLen
	const rdata = length - (wire.HeaderLen + 13 + 4 + 12) // without header, question and the record's own
	record := "www.example. 300 TXT" + strings.Repeat(" "+strings.Repeat("x", 255), rdata/256) + " " + strings.Repeat("x", rdata%256-1)
	m := w.reply(question, answer{answer: record})
	m.EDE = wire.AppendEDE(nil, 22, "no")
	if e := w.Put(w.key(question), m, at(0)); len(e.message()) != length {
		t.Fatalf("got a message of %d bytes, want %d", len(e.message()), length)
	}
	got := restarted(t, w.snapshot(1), 2).get(2, question)
	if got == nil || len(got.EDE()) > 0 {
		t.Errorf("got %v, want it without extended error", got)
	}
}

func TestNewerAnswerIsNotReplacedByARestoredOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, question := range []string{"www.example. A", "gone.example. A", "none.example. A", "bad.example. A"} {
		w.put(0, question, a(strings.Fields(question)[0], 300*s))
	}
	b := w.snapshot(1 * s)
	v := newWorld(t)
	v.put(2*s, "www.example. A", answer{answer: "www.example. 60 A 192.0.2.9"})
	v.put(2*s, "gone.example. A", nxdomain(300*s))
	v.put(2*s, "none.example. A", nodata(300*s))
	v.fail(2*s, "bad.example. A")
	if kept, leftOut, err := v.ReadSnapshot(bytes.NewReader(b), at(3*s-1)); kept != 1 || leftOut != 3 || err != nil {
		t.Errorf("got %d kept, %d left out, %v, want 1, 3 and no error", kept, leftOut, err)
	}
	for question, want := range map[string]string{
		"www.example. A":  "www.example. 59 A 192.0.2.9",
		"gone.example. A": "",
		"none.example. A": "",
		"bad.example. A":  "bad.example. 297 A 192.0.2.1", // a failure says nothing of the name
	} {
		if m := v.ask(3*s-1, question); m == nil || words(m.Answer) != want {
			t.Errorf("%s: got %v, want %q", question, m, want)
		}
	}
	v.wantIndex()
}

// TestSnapshotUnderConcurrentUse writes and reads while answers come and go.
func TestSnapshotUnderConcurrentUse(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	v := newWorld(t)
	var users sync.WaitGroup
	for i := range 4 {
		raw := w.raw("h00000000.example. A", a("h00000000.example.", 300*s))
		gone := v.raw("h00000000.example. A", nxdomain(300*s))
		users.Go(func() {
			for n := range 5000 {
				k, _ := raw.put(0, n*4+i)
				w.got(k, at(1))
				if n%5 == 0 {
					gone.put(0, n*4+i)
				}
			}
		})
	}
	for range 20 {
		if _, _, err := v.ReadSnapshot(halves(w.snapshot(1)), at(2)); err != nil {
			t.Error(err)
		}
	}
	users.Wait()
	w.wantIndex()
	v.wantIndex()
}

// halves is a file that gives half of what it is asked for.
func halves(b []byte) io.ReadSeeker {
	r := bytes.NewReader(b)
	return struct {
		io.Reader
		io.Seeker
	}{iotest.HalfReader(r), r}
}

// hundredThousand has 100,000 answers.
func hundredThousand(b *testing.B) *world {
	w := newWorld(b, func(c *Config) { c.Memory = 64 << 20 })
	raw := w.raw("h00000000.example. A", a("h00000000.example.", 300*s))
	for n := range 100_000 {
		raw.put(0, n)
	}
	return w
}

func BenchmarkWriteSnapshot(b *testing.B) {
	w := hundredThousand(b)
	for b.Loop() {
		if n, err := w.WriteSnapshot(io.Discard, at(1)); n != 100_000 || err != nil {
			b.Fatal(n, err)
		}
	}
}

func BenchmarkReadSnapshot(b *testing.B) {
	w := hundredThousand(b)
	snapshot := w.snapshot(1)
	b.SetBytes(int64(len(snapshot)))
	for b.Loop() {
		v := New(*w.config.Load(), at(2))
		if n, _, err := v.ReadSnapshot(bytes.NewReader(snapshot), at(2)); n != 100_000 || err != nil {
			b.Fatal(n, err)
		}
	}
}
