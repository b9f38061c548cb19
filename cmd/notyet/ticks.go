package main

import "time"

// goTicks is ticks by a timer of Go's: on other systems than Linux, and where the kernel has none to give.
func goTicks(every time.Duration) (c <-chan time.Time, stop func()) {
	t := time.NewTicker(every)
	return t.C, t.Stop
}
