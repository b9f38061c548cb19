package main

import (
	"testing"
	"time"
)

func TestTicksComeEachTimeAndEndWithTheStop(t *testing.T) {
	t.Parallel()
	const every = 10 * time.Millisecond
	before := time.Now()
	c, stop := ticks(every)
	for range 3 {
		select {
		case <-c:
		case <-time.After(10 * time.Second):
			t.Fatal("no tick came")
		}
	}
	if got := time.Since(before); got < 3*every {
		t.Errorf("three ticks took %v, want at least %v", got, 3*every)
	}
	stop()
	for len(c) > 0 { // one that nobody had taken
		<-c
	}
	select {
	case <-c:
		t.Error("a tick came after the stop")
	case <-time.After(3 * every):
	}
}
