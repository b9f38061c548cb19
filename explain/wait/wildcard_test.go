package wait

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestNameThatAWildcardAnswersForIsNotWaitedFor(t *testing.T) {
	inWorld(t, func(w *world) {
		w.everywhere("shipit.dev.", "*.preview.shipit.dev. A 192.0.2.7")
		for _, gone := range []bool{false, true} {
			w.asked = nil
			r, err := w.waits("pr-7.preview.shipit.dev. A", time.Minute, func(c *Config) { c.Gone = gone })
			var wildcard Wildcard
			if !errors.As(err, &wildcard) || strings.Join(wildcard.Says, " ") != "192.0.2.7" || r.Done {
				t.Errorf("gone %v: got %v, want that a wildcard answers with 192.0.2.7", gone, err)
			}
			if len(w.asked) != 2 || !strings.HasSuffix(w.asked[1], ".preview.shipit.dev.") || w.asked[1] == w.asked[0] {
				t.Errorf("gone %v: got %q asked, want the name, and once one beside it", gone, w.asked)
			}
		}
	})
}

func TestWildcardDoesNotHinderWhoSaysWhatIsExpected(t *testing.T) {
	inWorld(t, func(w *world) {
		w.everywhere("shipit.dev.", "*.preview.shipit.dev. A 192.0.2.6")
		for ns := range 2 {
			w.publish(300*ms, "shipit.dev.", ns+1, "pr-7.preview.shipit.dev. A 192.0.2.7")
		}
		r, err := w.waits("pr-7.preview.shipit.dev. A 192.0.2.7", time.Minute, nil)
		w.wantDone(r, err, 625*ms, "ns1.shipit.dev ready 192.0.2.7 625ms, ns2.shipit.dev ready 192.0.2.7 625ms")
	})
}

func TestWildcardWithAnotherAnswerIsNoHindrance(t *testing.T) {
	inWorld(t, func(w *world) {
		w.everywhere("shipit.dev.", "*.preview.shipit.dev. A 192.0.2.6")
		w.everywhere("shipit.dev.", "pr-7.preview.shipit.dev. A 192.0.2.7")
		r, err := w.waits("pr-7.preview.shipit.dev. A", time.Minute, nil)
		w.wantDone(r, err, 0, "ns1.shipit.dev ready 192.0.2.7 0s, ns2.shipit.dev ready 192.0.2.7 0s")
	})
}

func TestWildcardThatComesToBeIsWhatIsWaitedFor(t *testing.T) {
	inWorld(t, func(w *world) {
		for ns := range 2 {
			w.publish(300*ms, "shipit.dev.", ns+1, "*.preview.shipit.dev. A 192.0.2.7")
		}
		r, err := w.waits("pr-7.preview.shipit.dev. A", time.Minute, nil)
		w.wantDone(r, err, 625*ms, "ns1.shipit.dev ready 192.0.2.7 625ms, ns2.shipit.dev ready 192.0.2.7 625ms")
	})
}

func TestWildcardIsFoundOnceItsServersAreHeard(t *testing.T) {
	inWorld(t, func(w *world) {
		w.everywhere("shipit.dev.", "*.preview.shipit.dev. A 192.0.2.7")
		for ns := range 2 {
			w.zones["shipit.dev."][ns].fault = errTimeout
			w.at(time.Second, "shipit.dev.", ns+1, func(s *server) { s.fault = nil })
		}
		_, err := w.waits("pr-7.preview.shipit.dev. A", time.Minute, nil)
		if !errors.As(err, new(Wildcard)) {
			t.Errorf("got %v, want that a wildcard answers", err)
		}
	})
}

func TestWildcardItselfCanBeWaitedFor(t *testing.T) {
	inWorld(t, func(w *world) {
		w.everywhere("shipit.dev.", "*.preview.shipit.dev. A 192.0.2.7")
		r, err := w.waits("*.preview.shipit.dev. A", time.Minute, nil)
		w.wantDone(r, err, 0, "ns1.shipit.dev ready 192.0.2.7 0s, ns2.shipit.dev ready 192.0.2.7 0s")
	})
}
