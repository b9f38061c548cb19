package watch

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestQuestionsAboutAPendingNameShareAnExchange(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		b := newBed(t, defaults)
		b.want(web, noIP)
		time.Sleep(1500 * time.Millisecond)
		b.publish(web, "60 A 192.0.2.7")
		b.mu.Lock()
		b.ownDelay = 100 * time.Millisecond
		b.mu.Unlock()
		var all []<-chan string
		for range 3 {
			all = append(all, b.start(web))
			synctest.Wait()
		}
		other := b.start(web + " +do")
		for _, done := range append(all, other) {
			if got, took := b.took(done); got != yes || took > 100*time.Millisecond {
				t.Errorf("got %s after %v, want %s after 100ms", got, took, yes)
			}
		}
		b.wantAsked("0s web.shipit.dev. A, 1.5s web.shipit.dev. A, 1.5s web.shipit.dev. A", "")
	})
}
