package cache

import "os"

// arena is memory that the garbage collector does not look at, and does not count. It is in RAM by pages, from when one is first
// written to until it is released. It is gone when the arena can't be reached any more, so whoever takes some has to keep the arena too.
type arena struct {
	memory  []byte       // that nobody has taken, whole pages
	release func([]byte) // gives whole pages back to the system; what they say is lost
}

// pages is the least that n bytes take in whole pages, in bytes.
func pages(n int) int {
	page := os.Getpagesize()
	return (n + page - 1) / page * page
}

// take takes memory from what is left: n bytes in whole pages.
func (a *arena) take(n int) []byte {
	n = pages(n)
	taken := a.memory[:n:n]
	a.memory = a.memory[n:]
	return taken
}

// heapArena is one where there is no such memory. The garbage collector does not look at it either, but it counts it, and so lets
// as much garbage gather before it begins.
func heapArena(size int) *arena {
	return &arena{memory: make([]byte, size), release: func([]byte) {}}
}
