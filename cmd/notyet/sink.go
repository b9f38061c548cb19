package main

import (
	"errors"
	"io"
	"sync/atomic"
	"syscall"
)

// sink is standard output, of which it is known whether something got lost: not every command looks. It is as safe for
// concurrent use as what it writes to.
type sink struct {
	to   io.Writer
	lost atomic.Pointer[error] // the first; nil: nothing got lost
}

func (s *sink) Write(b []byte) (int, error) {
	n, err := s.to.Write(b)
	if errors.Is(err, syscall.EPIPE) { // whoever read it has gone, which ends most commands with SIGPIPE
		return len(b), nil
	}
	if err != nil {
		s.lost.CompareAndSwap(nil, &err)
	}
	return n, err
}

// failed is what has become of a command that returned err: one whose output got lost has failed, and was not called wrongly.
func (s *sink) failed(err error) error {
	lost := s.lost.Load()
	if _, told := err.(failure); told || lost == nil {
		return err
	}
	return failure{*lost}
}
