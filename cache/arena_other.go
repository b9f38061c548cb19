//go:build !linux && !darwin

package cache

// newArena makes one of that many bytes.
func newArena(size int) *arena { return heapArena(size) }
