package watch

import (
	"testing"
	"time"
)

// spend uses up the open half of the budget, and its turns of the next half second.
func (b *bed) spend() {
	for w := b.Find([]byte("\x06shipit\x03dev\x00")); !w.budget.spent(); {
		w.budget.open.Reserve()
	}
}

// wantAtOnce wants the answer before Serve returns, which it would not do in a goroutine of the question's own.
func (b *bed) wantAtOnce(question, want string) {
	b.t.Helper()
	select {
	case got := <-b.start(question):
		if got != want {
			b.t.Errorf("%s: got %s, want %s", question, got, want)
		}
	default:
		b.t.Errorf("%s: not answered at once", question)
	}
}

func TestQuestionOverBudgetIsTheUpstreamsWithoutAGoroutine(t *testing.T) {
	t.Parallel()
	for _, says := range []struct{ upstream, want, ede string }{
		{"NXDOMAIN", noIP, "notyet: NXDOMAIN, kept 1s instead of 60s; queries_per_second is used up"},
		{"NODATA", "NOERROR", "notyet: NODATA, kept 1s instead of 60s; queries_per_second is used up"},
		{"60 A 192.0.2.7", yes, ""},
		{"SERVFAIL", "SERVFAIL", "bogus"},
	} {
		t.Run(says.upstream, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T) {
				b := newBed(t, defaults)
				b.spend()
				b.upstream(constant(says.upstream))
				b.wantAtOnce(web, says.want)
				if got := b.ede(web); got != says.ede {
					t.Errorf("got extended error %q, want %q", got, says.ede)
				}
				b.wantAsked("", "0s web.shipit.dev. A")
			})
		})
	}
}

func TestNameDeniedOverBudgetIsPending(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		b := newBed(t, defaults)
		b.spend()
		b.wantAtOnce(web, noIP)
		b.publish(web, "60 A 192.0.2.7")
		time.Sleep(time.Second)
		b.want(web, yes)
		b.wantAsked("1s web.shipit.dev. A", "0s web.shipit.dev. A")
	})
}

func TestClientIsHeldThoughItsQuestionIsOverBudget(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		options := defaults
		options.Hold = 4 * time.Second
		b := newBed(t, options)
		b.spend()
		answer := b.start(web)
		b.publish(web, "60 A 192.0.2.7")
		if got := <-answer; got != yes || b.at() > time.Second {
			t.Errorf("got %s after %v, want %s within a second", got, b.at(), yes)
		}
	})
}

func TestHeldClientOverBudgetDoesNotKeepTheOthersWaiting(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		options := defaults
		options.Hold = 4 * time.Second
		b := newBed(t, options)
		b.spend()
		b.upstream(constant("NODATA"))
		b.ownDelay = time.Second // to find out whether it is worth waiting
		b.start(web)
		if b.at() > 0 {
			t.Errorf("Serve returned after %v, want at once", b.at())
		}
	})
}

// What is known, pending or not to be asked at the zone's own servers first goes its usual way.
func TestBudgetDoesNotMatterForWhatIsNotAskedFirstAtTheServers(t *testing.T) {
	t.Parallel()
	const old = "old.shipit.dev. A"
	with := func(v Verify) Options {
		options := defaults
		options.Verify = v
		return options
	}
	for _, c := range []struct {
		name          string
		options       Options
		before        func(b *bed)
		question      string
		want          string
		own, upstream string
	}{
		{"known by its servers", defaults, func(b *bed) { b.publish(web, "1 A 192.0.2.7"); b.want(web, yes) }, web, yes, "", "2s " + web},
		{"known by the upstream", defaults, func(b *bed) { b.spend(); b.upstream(constant("1 A 192.0.2.7")); b.want(web, yes) }, web, yes, "", "2s " + web},
		{"pending", defaults, func(b *bed) { b.want(old, noIP) }, old, noIP, "2s " + old, ""},
		{"verify after", with(After), func(*bed) {}, web, yes, "", "2s " + web},
		{"verify off", with(Off), func(*bed) {}, web, yes, "", "2s " + web},
		{"private", defaults, func(b *bed) { b.Find([]byte("\x06shipit\x03dev\x00")).private = time.Now().Add(time.Minute) }, web, yes, "", "2s " + web},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T) {
				b := newBed(t, c.options)
				c.before(b)
				b.upstream(constant("1 A 192.0.2.7"))
				time.Sleep(2 * time.Second)
				b.forget()
				b.spend()
				over := counted(t, b.Set, "notyet_authority_queries_total", "result=over_budget")
				b.want(c.question, c.want)
				b.wantAsked(c.own, c.upstream)
				if now := counted(t, b.Set, "notyet_authority_queries_total", "result=over_budget"); now != over {
					t.Errorf("%v more were counted as over the budget, want none", now-over)
				}
			})
		})
	}
}
