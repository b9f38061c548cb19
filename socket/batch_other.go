//go:build !linux

package socket

// Batch does nothing here: every packet goes at once.
type Batch struct{}
