package watch

import (
	"testing"
	"testing/synctest"
	"time"

	"notyet/cache"
)

func holding(d time.Duration) Options {
	o := defaults
	o.Hold = d
	return o
}

// took is how long the answer takes to come.
func (b *bed) took(done <-chan string) (string, time.Duration) {
	began := time.Now()
	return <-done, time.Since(began)
}

func TestFirstQuestionIsHeldUntilTheNameIsVisible(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		b := newBed(t, holding(4*time.Second))
		held := b.start(web)
		time.Sleep(2 * time.Second)
		b.publish(web, "60 A 192.0.2.7")
		got, took := b.took(held)
		if got != yes || took > holdInterval {
			t.Errorf("got %s %v after it was published, want %s within %v", got, took, yes, holdInterval)
		}
		if got := counted(t, b.Set, "notyet_watch_held_total", "outcome=visible"); got != 1 {
			t.Errorf("got %v held until visible, want 1", got)
		}
		if got := counted(t, b.Set, "notyet_watch_rescues_total", "how=hold"); got != 1 {
			t.Errorf("got %v rescues, want 1", got)
		}
	})
}

func TestHeldQuestionIsDeniedWhenItsTimeIsUpAndTheNextIsNotHeld(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		b := newBed(t, holding(4*time.Second))
		if got, took := b.took(b.start(web)); got != noIP || took != 4*time.Second {
			t.Errorf("got %s after %v, want %s after 4s", got, took, noIP)
		}
		time.Sleep(3 * time.Second)
		if got, took := b.took(b.start(web)); got != noIP || took != 0 {
			t.Errorf("the next: got %s after %v, want %s at once", got, took, noIP)
		}
		b.wantAsked("0s web.shipit.dev. A, 250ms web.shipit.dev. A, 500ms web.shipit.dev. A, 750ms web.shipit.dev. A, 1s web.shipit.dev. A, "+
			"1.25s web.shipit.dev. A, 1.5s web.shipit.dev. A, 1.75s web.shipit.dev. A, 2s web.shipit.dev. A, 2.25s web.shipit.dev. A, "+
			"2.5s web.shipit.dev. A, 2.75s web.shipit.dev. A, 3s web.shipit.dev. A, 3.25s web.shipit.dev. A, 3.5s web.shipit.dev. A, "+
			"3.75s web.shipit.dev. A, 7s web.shipit.dev. A", "")
	})
}

// A stub that gets no answer sends its query again, and would take any.
func TestQuestionThatIsAskedAgainIsHeldAsWell(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		b := newBed(t, holding(4*time.Second))
		var clients []<-chan string
		for i := range 20 {
			held := b.start(web)
			synctest.Wait()
			select {
			case got := <-held:
				t.Errorf("%v: got %s, want it held", b.at(), got)
			default:
				clients = append(clients, held)
			}
			time.Sleep([]time.Duration{100 * time.Millisecond, 270 * time.Millisecond}[i%2]) // before and after the servers are asked again
		}
		for _, held := range clients {
			if got := <-held; got != noIP || b.at() != 4*time.Second {
				t.Errorf("got %s at %v, want %s at 4s", got, b.at(), noIP)
			}
		}
		b.want(web, noIP)
		if got := b.ede(web); got == "not cached" {
			t.Errorf("got the denial %s once nobody is held, want it kept", got)
		}
	})
}

func TestHeldQuestionsWithOtherFlagsGetAnAnswerOfTheirOwn(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		b := newBed(t, holding(4*time.Second))
		plain, secure := b.start(web), b.start(web+" +do")
		time.Sleep(time.Second)
		b.publish(web, "60 A 192.0.2.7")
		for _, done := range []<-chan string{plain, secure} {
			if got, took := b.took(done); got != yes || took > holdInterval {
				t.Errorf("got %s after %v, want %s within %v", got, took, yes, holdInterval)
			}
		}
	})
}

// A stub asks for both families and waits for both answers.
func TestQuestionForTheOtherFamilyIsNotHeldOnceTheNameHasAddresses(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		b := newBed(t, holding(4*time.Second))
		four, six := b.start(web), b.start("web.shipit.dev. AAAA")
		time.Sleep(time.Second)
		b.publish(web, "60 A 192.0.2.7")
		if got, took := b.took(four); got != yes || took > holdInterval {
			t.Errorf("A: got %s after %v, want %s", got, took, yes)
		}
		if got, took := b.took(six); got != "NOERROR" || took > 2*holdInterval {
			t.Errorf("AAAA: got %s after %v, want NOERROR soon", got, took)
		}
	})
}

func TestQuestionForTheOtherFamilyIsNotHeldWhenTheNameHasAddressesAlready(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		b := newBed(t, holding(4*time.Second))
		b.publish(web, "60 A 192.0.2.7")
		if got, took := b.took(b.start("web.shipit.dev. AAAA")); got != "NOERROR" || took != 0 {
			t.Errorf("got %s after %v, want NOERROR at once", got, took)
		}
	})
}

func TestQuestionForWhichThereIsNoPlaceIsAnsweredAtOnce(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		b := newBed(t, holding(4*time.Second))
		q, asked := b.question(web)
		done := make(chan string, 1)
		q.Hold = func(*cache.Entry) bool { return false }
		q.Done = func(e *cache.Entry) { done <- b.text(e, &asked) }
		b.Serve(q)
		if got, took := b.took(done); got != noIP || took != 0 {
			t.Errorf("got %s after %v, want %s at once", got, took, noIP)
		}
		if got := counted(t, b.Set, "notyet_watch_held_total", "outcome=full"); got != 1 {
			t.Errorf("got %v held for want of a place, want 1", got)
		}
	})
}

func TestHeldQuestionsAreAnsweredWhenTheServerIsToStop(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		b := newBed(t, holding(4*time.Second))
		held := b.start(web)
		time.Sleep(time.Second)
		synctest.Wait()
		b.ReleaseHeld()
		if got, took := b.took(held); got != noIP || took != 0 {
			t.Errorf("got %s after %v, want %s at once", got, took, noIP)
		}
		if got, took := b.took(b.start("other.shipit.dev. A")); got != noIP || took != 0 {
			t.Errorf("another: got %s after %v, want %s at once", got, took, noIP)
		}
	})
}

func TestNamesOfADegradedZoneAreNotHeld(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		b := newBed(t, holding(4*time.Second))
		b.ownErr = errClosed
		if got, took := b.took(b.start(web)); got != noIP || took != 0 {
			t.Errorf("got %s after %v, want %s at once", got, took, noIP)
		}
	})
}

func TestHoldEndsInTimeWhileTheServersTakeLong(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		b := newBed(t, holding(3*time.Second))
		held := b.start(web)
		time.Sleep(2600 * time.Millisecond)
		b.mu.Lock()
		b.ownDelay = 1500 * time.Millisecond
		b.mu.Unlock()
		if got, took := b.took(held); got != noIP || took != 400*time.Millisecond {
			t.Errorf("got %s %v later, want %s 400ms later", got, took, noIP)
		}
	})
}

func TestAnswerThatIsStillGoodStaysWhenItIsDeniedAheadOfTime(t *testing.T) {
	t.Parallel()
	for _, hold := range []time.Duration{0, 2 * time.Second} {
		t.Run(hold.String(), func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T) {
				b := newBed(t, holding(hold))
				b.publish(web, "300 A 192.0.2.7")
				b.upstream(constant("300 A 192.0.2.7"))
				b.want(web, yes)
				time.Sleep(defaults.UpstreamAfter + time.Second)
				b.want(web, yes) // the upstream's, for 300 s
				b.upstream(constant("NXDOMAIN"))
				b.publish(web, "", 2) // so that the denial stands
				time.Sleep(280 * time.Second)
				q, asked := b.question(web)
				q.Anew = true
				q.Done = func(e *cache.Entry) {
					if got := b.text(e, &asked); got != yes {
						t.Errorf("got %s, want %s", got, yes)
					}
				}
				q.Hold = func(*cache.Entry) bool { return false } // nobody waits
				b.Serve(q)
				synctest.Wait()
				b.want(web, yes)
			})
		})
	}
}
