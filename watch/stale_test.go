package watch

import (
	"testing"
	"time"
)

// What the zone's own servers have must not get around an upstream that filters or validates.
func TestOnlyAnAnswerOfTheUpstreamStandsIn(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		b := newBed(t, defaults)
		b.publish(web, "60 A 192.0.2.7")
		b.want(web, yes)
		b.upstream(constant("DEAD"))
		time.Sleep(defaults.UpstreamAfter)
		b.want(web, "SERVFAIL")

		b.upstream(constant("60 A 192.0.2.7"))
		time.Sleep(2 * time.Second)
		b.want(web, yes)
		b.upstream(constant("DEAD"))
		time.Sleep(time.Minute)
		b.want(web, yes)

		b.upstream(constant("NXDOMAIN"))
		b.publish(web, "")
		time.Sleep(time.Minute)
		b.want(web, noIP)
		b.upstream(constant("DEAD"))
		time.Sleep(time.Minute)
		b.want(web, noIP) // nobody knows it any more, so its own servers are asked
	})
}

// An answer that was overruled is the own servers' as well.
func TestAnswerThatOverruledTheUpstreamNeverStandsIn(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		options := defaults
		options.Verify = After
		b := newBed(t, options)
		b.publish(web, "60 A 192.0.2.7")
		b.want(web, yes) // the upstream says NXDOMAIN
		b.upstream(constant("DEAD"))
		time.Sleep(time.Minute)
		b.want(web, "SERVFAIL")
	})
}
