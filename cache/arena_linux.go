package cache

import "golang.org/x/sys/unix"

const adviceUnused = unix.MADV_DONTNEED

// prepare keeps Linux from having huge pages of it, of which each ring would take one at once.
func prepare(memory []byte) { _ = unix.Madvise(memory, unix.MADV_NOHUGEPAGE) }
