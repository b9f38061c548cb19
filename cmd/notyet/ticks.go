package main

import "time"

// goTicks is ticks on systems whose timers have nothing to do with how one waits for packets.
func goTicks(every time.Duration) (c <-chan time.Time, stop func()) {
	t := time.NewTicker(every)
	return t.C, t.Stop
}
