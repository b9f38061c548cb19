// Package demo tells the story of a record that was asked for too early: with a zone, a plain resolver and notyet, all in one
// process and on 127.0.0.1.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Config is how the story is told.
type Config struct {
	Fast bool // a "no" lives for 3 s and not for 20 s
	// Notyet runs a notyet on a free port of 127.0.0.1 until ctx ends. It calls listening once, when it can be asked.
	Notyet func(ctx context.Context, s Setting, listening func(netip.AddrPort)) error
	Out    io.Writer // io.Discard: only the result is wanted
	// Size is that of the terminal behind Out, on which the story is drawn in place; nil: it is told in lines.
	Size   func() (columns, rows int)
	Colour bool // means something with Size
}

// Setting is what notyet is told.
type Setting struct {
	Zone        string           // to watch; ends in a dot
	Authorities []netip.AddrPort // its name servers
	Upstream    netip.AddrPort   // the plain resolver
}

// Result is what was measured, by asking all of them ten times a second.
type Result struct {
	Name        string        // that was asked for too early; ends in a dot
	NegativeTTL time.Duration // of its zone
	Published   time.Duration // from the first question until the record was published
	Servers     []Server      // of the zone
	InSync      time.Duration // from publishing until all servers had it
	Notyet      time.Duration // from publishing until notyet answered with it
	Plain       time.Duration // from publishing until the plain resolver did
}

// Server is one of the zone's name servers.
type Server struct {
	Name string
	Has  time.Duration // from publishing until it had the record
}

// ErrInterrupted means that the context ended before the story did.
var ErrInterrupted = errors.New("interrupted")

// Run tells the story, which takes 20 s, or 3 s when fast. After 28 s or 4.8 s it gives up.
func Run(ctx context.Context, c Config) (Result, error) {
	l := new(loopback)
	defer l.close()
	return run(ctx, c, l)
}

// run tells the story on a network.
func run(ctx context.Context, c Config, n network) (Result, error) {
	p := paceOf(c.Fast)
	z := &zone{negativeTTL: p.negativeTTL, takeUp: p.takeUp[:]}
	s, err := stage(n, z, p)
	if err != nil {
		return Result{}, err
	}
	stop, err := startNotyet(ctx, c, s)
	if err != nil {
		return Result{}, err
	}
	defer stop()
	t := newTelling(c)
	if err := t.open(s); err != nil {
		return Result{}, err
	}
	if err := play(ctx, n, z, s, t.show); err != nil {
		t.leave()
		return Result{}, err
	}
	r := s.result()
	return r, t.end(s, r)
}

// stage lets all servers listen but notyet.
func stage(n network, z *zone, p pace) (*scene, error) {
	s := &scene{pace: p}
	var authorities []netip.AddrPort
	for i := range z.takeUp {
		at, err := n.listen(z.server(i))
		if err != nil {
			return nil, remedied(err)
		}
		authorities = append(authorities, at)
	}
	// Which one is ns1 means nothing; so it is that which notyet names first.
	slices.SortFunc(authorities, func(a, b netip.AddrPort) int { return strings.Compare(a.String(), b.String()) })
	for i, at := range authorities {
		s.rows = append(s.rows, row{name: serverName(i), addr: at})
	}
	plain := &resolver{servers: authorities, exchange: n.exchange}
	at, err := n.listen(plain.answer)
	if err != nil {
		return nil, remedied(err)
	}
	s.rows = append(s.rows, row{name: "plain", addr: at, recursive: true})
	return s, nil
}

// remedied says what to do about a server that can't listen.
func remedied(err error) error {
	switch {
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return fmt.Errorf("%w; let this process open more files, as with ulimit -n 256", err)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("%w; bring the loopback interface up: the demo needs 127.0.0.1", err)
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("%w; end what holds all ports of 127.0.0.1: the demo needs six", err)
	}
	return err
}

// startNotyet waits until notyet listens. stop ends it and waits for that.
func startNotyet(ctx context.Context, c Config, s *scene) (stop func(), err error) {
	running, end := context.WithCancel(ctx)
	listening, ended := make(chan netip.AddrPort, 1), make(chan error, 1)
	go func() {
		ended <- c.Notyet(running, s.setting(), func(at netip.AddrPort) { listening <- at })
	}()
	select {
	case at := <-listening:
		s.rows = append(s.rows, row{name: "notyet", addr: at, recursive: true})
		return func() { end(); <-ended }, nil
	case err := <-ended:
		end()
		if ctx.Err() != nil {
			return nil, ErrInterrupted
		}
		return nil, fmt.Errorf("start notyet: %w", remedied(err))
	}
}
