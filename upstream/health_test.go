package upstream

import (
	"testing"
	"testing/synctest"
	"time"

	"notyet/upstream/upstreamtest"
)

func TestUpstreamIsDownAfterThreeFailuresInARow(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		// f: failed, a: answered, o: overtaken, a digit: timed out for that name, ! and a digit: another answered for it, each
		// 200 ms after the last
		seen string
		down bool
		lost int // how often that was news
	}{
		{name: "nothing", seen: ""},
		{name: "two failures", seen: "ff"},
		{name: "three failures", seen: "fff", down: true, lost: 1},
		{name: "more of them", seen: "fffff", down: true, lost: 1},
		{name: "never three in a row", seen: "ffaffaffa"},
		{name: "an answer afterwards", seen: "fffa", lost: 1},
		{name: "two failures after that", seen: "fffaff", lost: 1},
		{name: "down again", seen: "fffafff", down: true, lost: 2},
		{name: "overtaken three times within half a second", seen: "ooo"},
		{name: "overtaken for longer", seen: "oooo", down: true, lost: 1},
		{name: "overtaken, and answering late each time", seen: "oaoaoaoaoaoa"},
		{name: "a failure, and overtaken twice", seen: "foo"},
		{name: "overtaken twice, and a failure", seen: "oof", down: true, lost: 1},
		{name: "silent about a name, however often", seen: "1111111111"},
		{name: "silent about two names", seen: "12122121"},
		{name: "silent about three names", seen: "11211223", down: true, lost: 1},
		{name: "silent about one name, again after an answer", seen: "12a12a12"},
		{name: "silent about a name, and two failures", seen: "1f1f", down: true, lost: 1},
		{name: "two failures, and silent about a name", seen: "ff1", down: true, lost: 1},
		{name: "silent about a name that others answer for", seen: "1!11!11!1", down: true, lost: 1},
		{name: "silent about a name twice each time that others answer for it", seen: "11!111!1"},
		{name: "silent about a name while others answer for another", seen: "1!21!21!2"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := NewHealth()
				lost, back := 0, 0
				for i, what := range tt.seen {
					if i > 0 && tt.seen[i-1] == '!' {
						h.Answerable([]byte{byte(what)})
						continue
					}
					was := h.Down()
					switch news := h.see(what); {
					case news && was:
						back++
					case news:
						lost++
					case was != h.Down():
						t.Errorf("after %q: got no news of a change", what)
					}
					time.Sleep(200 * time.Millisecond)
				}
				if h.Down() != tt.down || lost != tt.lost {
					t.Errorf("%q: got down %v, lost %d times, want %v and %d", tt.seen, h.Down(), lost, tt.down, tt.lost)
				}
				if want := tt.lost; tt.down && back != want-1 || !tt.down && back != want {
					t.Errorf("%q: got back %d times, lost %d times, and down %v", tt.seen, back, lost, h.Down())
				}
			})
		})
	}
}

// see notes something that was asked for at this moment, and reports whether it is news.
func (h *Health) see(what rune) bool {
	switch what {
	case 'f':
		return h.Failed(time.Now())
	case 'o':
		return h.Overtaken(time.Now())
	case '!':
		return false
	case '1', '2', '3':
		return h.TimedOut(time.Now(), []byte{byte(what)})
	}
	return h.Answered(time.Now())
}

// A packet may get lost, or a question time out that was asked before the upstream came back.
func TestFailureDoesNotCountOnceALaterQuestionIsAnswered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := NewHealth()
		asked := time.Now()
		for range 3 {
			h.Failed(asked)
		}
		if !h.Down() {
			t.Fatal("got it up after three failures, want it down")
		}
		time.Sleep(time.Second)
		if !h.Answered(time.Now()) {
			t.Fatal("got no news when it answered, want that it is back")
		}
		h.Answered(asked.Add(time.Millisecond)) // late, and nothing new
		time.Sleep(time.Second)
		for range 10 {
			if before := asked.Add(time.Second / 2); h.Failed(before) || h.Overtaken(before) {
				t.Error("got it down by a question from before, want it up")
			}
		}
		for range 3 {
			h.Failed(time.Now())
		}
		if !h.Down() {
			t.Error("got it up after three failures of new questions, want it down")
		}
	})
}

func TestUpIsWhetherTheUpstreamIsNotDown(t *testing.T) {
	t.Parallel()
	u := New(Config{Metrics: NewMetrics(), Deadlines: NewDeadlines()})
	defer u.Close()
	counted(t, "up, nothing being known", u.meter.up, 1)
	for range 3 {
		counted(t, "up", u.meter.up, 1)
		u.Health().Failed(time.Now())
	}
	counted(t, "up after three failures", u.meter.up, 0)
	u.Health().Answered(time.Now())
	counted(t, "up after an answer", u.meter.up, 1)
}

func TestUsualTimeIsThatOf95Of100OfTheLastAnswers(t *testing.T) {
	t.Parallel()
	ms := func(n int) time.Duration { return time.Duration(n) * time.Millisecond }
	for _, tt := range []struct {
		name string
		took func(i int) time.Duration
		n    int
		want time.Duration
	}{
		{name: "nothing", n: 0, want: minUsual},
		{name: "fast", took: func(int) time.Duration { return ms(3) }, n: 1000, want: minUsual},
		{name: "one", took: func(int) time.Duration { return ms(80) }, n: 1, want: ms(80)},
		{name: "a few", took: func(i int) time.Duration { return ms(80 + i) }, n: 5, want: ms(84)},
		{name: "1 in 25 slow", took: func(i int) time.Duration { return ms(70 + i%25/24*900) }, n: 1000, want: ms(70)},
		{name: "1 in 10 slow", took: func(i int) time.Duration { return ms(70 + i%10/9*900) }, n: 1000, want: ms(970)},
		{name: "1 in 12 slow", took: func(i int) time.Duration { return ms(70 + i%12/11*900) }, n: 1000, want: ms(970)},
		{name: "slow long ago", took: func(i int) time.Duration { return ms(900 - min(i, 100)*8) }, n: 300, want: ms(100)},
		{name: "slow lately", took: func(i int) time.Duration { return ms(100 + i/300*200) }, n: 340, want: ms(300)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := NewHealth()
			for i := range tt.n {
				h.Took(tt.took(i))
			}
			if got := h.Usual(); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestHealthAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	h := NewHealth()
	for range paceSize {
		h.Took(time.Millisecond)
	}
	now, name := time.Now(), []byte("\x03www\x00")
	if got := testing.AllocsPerRun(1000, func() {
		h.Took(time.Millisecond)
		h.Failed(now)
		h.TimedOut(now, name)
		h.Answerable(name)
		h.Answered(now)
		_ = h.Usual()
	}); got != 0 {
		t.Errorf("got %v allocations, want none", got)
	}
}

// Asking says nothing: whoever asked does.
func TestHealthIsForTheAskerToSay(t *testing.T) {
	t.Parallel()
	s := upstreamtest.New(t, func(*upstreamtest.Query) {})
	s.Close()
	u := newUpstream(t, s.Addr)
	for range 5 {
		ask(t, u, "www.example.com.", patience)
	}
	if u.Health().Down() {
		t.Error("got it down, want it up")
	}
}
