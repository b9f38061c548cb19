package cache

import (
	"bytes"
	"math"
	"sync"
	"testing"
	"time"
)

func TestAnswersAgeWhileTheMachineSleeps(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.put(0, "www.example. A", a("www.example.", 60*s))
	w.put(0, "gone.example. A", nxdomain(300*s))
	w.put(0, "gone.example. A", nxdomain(300*s))
	w.fail(0, "bad.example. A")
	w.Slept(0)
	w.Slept(-8 * time.Hour)
	for _, question := range []string{"www.example. A", "gone.example. A", "bad.example. A"} {
		if w.get(0, question) == nil {
			t.Errorf("%s: got a miss before the sleep", question)
		}
	}
	w.Slept(20 * s)
	if m := w.ask(1*s, "www.example. A"); m == nil || m.Answer[0].Header().Ttl != 39 {
		t.Errorf("21 s of 60 later, 20 s of them asleep: got %v, want a TTL of 39 s", m)
	}
	w.Slept(20 * s)
	if m := w.ask(1*s, "www.example. A"); m == nil || m.Answer[0].Header().Ttl != 19 {
		t.Errorf("41 s of 60 later, 40 s of them asleep: got %v, want a TTL of 19 s", m)
	}
	w.Slept(20 * s)
	for _, question := range []string{"www.example. A", "gone.example. A", "bad.example. A"} {
		if e := w.get(1*s, question); e != nil {
			t.Errorf("%s: got %v after a minute asleep, want a miss", question, e)
		}
	}
}

func TestAnswersPutInAfterASleepLiveAsLong(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Slept(8 * time.Hour)
	e := w.put(1*s, "www.example. A", a("www.example.", 60*s))
	w.wantLifetime(1*s, "www.example. A", e, 60*s)
	if m := w.ask(11*s, "www.example. A"); m == nil || m.Answer[0].Header().Ttl != 50 {
		t.Errorf("10 s of 60 later: got %v, want a TTL of 50 s", m)
	}
}

func TestStaleAnswersExpireInTheSleep(t *testing.T) {
	t.Parallel()
	w := newWorld(t, staleFor(time.Hour))
	k := w.key("www.example. A")
	w.put(0, "www.example. A", a("www.example.", 60*s))
	w.Slept(time.Hour)
	if e := w.StandIn(k, nil, at(59*s)); e == nil {
		t.Error("an hour past its TTL less a second: got none, want it to stand in")
	}
	w.Slept(2 * s)
	if e := w.StandIn(k, nil, at(59*s)); e != nil {
		t.Errorf("more than an hour past its TTL: got %v, want none", e)
	}
}

func TestSnapshotKnowsTheSleep(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Slept(time.Hour)
	w.put(0, "short.example. A", a("short.example.", 60*s))
	w.put(0, "www.example. A", a("www.example.", 3600*s))
	w.Slept(30 * time.Minute)
	var file bytes.Buffer
	if n, err := w.WriteSnapshot(&file, at(0)); n != 1 || err != nil {
		t.Fatalf("got %d entries, %v, want that which has not expired", n, err)
	}
	next := newWorld(t)
	next.Slept(time.Hour)
	if kept, leftOut, err := next.ReadSnapshot(bytes.NewReader(file.Bytes()), at(10*s)); kept != 1 || leftOut != 0 || err != nil {
		t.Fatalf("got %d kept, %d left out, %v, want 1 kept", kept, leftOut, err)
	}
	if m := next.ask(10*s, "www.example. A"); m == nil || m.Answer[0].Header().Ttl != 3600-1800-10 {
		t.Errorf("after 30 min asleep and 10 s stopped: got %v, want a TTL of 1790 s", m)
	}
}

func TestNamesUnderWatchAreAskedAnewAfterASleep(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	limits, asked := pending()
	w.watch(0, "www.example. A", nodata(300*s), limits)
	w.watch(8*s, "www.example. A", nodata(300*s), limits) // until 16 s
	w.AskAnew(asked, at(14*s))
	w.get(9*s, "www.example. A")
	w.wantUsed(10*s, "www.example. A", true)
	w.Slept(5 * s)
	w.wantUsed(10*s, "www.example. A", false)
	w.wantLastAsked(asked, 10*s)
	w.Touch(asked, at(11*s))
	w.wantLastAsked(asked, 11*s)
}

// TestSleepsWithoutEnd has a wall clock that leaps far ahead again and again.
func TestSleepsWithoutEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for range 99 {
		w.Slept(math.MaxInt64)
	}
	e := w.put(0, "www.example. A", a("www.example.", 60*s))
	w.wantLifetime(0, "www.example. A", e, 60*s)
}

func TestSleepBesideQueries(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	k, r := w.key("www.example. A"), w.reply("www.example. A", a("www.example.", 60*s))
	var all sync.WaitGroup
	for range 2 {
		all.Go(func() {
			for range 1000 {
				w.Slept(1 * s)
			}
		})
		all.Go(func() {
			for range 1000 {
				w.AppendReply(nil, w.Put(k, r, at(0)), w.query("www.example. A"), 512, at(0))
				w.got(k, at(0))
			}
		})
	}
	all.Wait()
	w.Put(k, r, at(0))
	w.Slept(60 * s)
	if e := w.got(k, at(0)); e != nil {
		t.Errorf("got %v, want a miss", e)
	}
}
