//go:build !linux

package main

import "time"

func ticks(every time.Duration) (c <-chan time.Time, stop func()) { return goTicks(every) }
