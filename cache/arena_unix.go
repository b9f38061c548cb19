//go:build linux || darwin

package cache

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// newArena makes one of that many bytes, whole pages.
func newArena(size int) *arena {
	memory, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE|unix.MAP_NORESERVE)
	if err != nil {
		return heapArena(size)
	}
	prepare(memory)
	a := &arena{memory: memory, release: func(b []byte) { _ = unix.Madvise(b, adviceUnused) }} // it is bounded all the same
	runtime.AddCleanup(a, func(memory []byte) { _ = unix.Munmap(memory) }, memory)
	return a
}
