//go:build e2e && linux

package e2e

import "time"

// keep calls f at once and then once an interval, for as long as it says.
func keep(long, interval time.Duration, f func()) {
	within(long, interval, func() bool { f(); return false })
}

// within calls done at once and then once an interval, and tells whether it came to say true in time.
func within(timeout, interval time.Duration, done func() bool) bool {
	end := time.After(timeout)
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		if done() {
			return true
		}
		select {
		case <-tick.C:
		case <-end:
			return false
		}
	}
}
