package authority

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync/atomic"

	"github.com/miekg/dns"

	"notyet/upstream"
)

// server is one server of a zone.
type server struct {
	name    string                  // as people know it
	addrs   []netip.AddrPort        // at least one
	current atomic.Int32            // index of the one that is asked
	silent  atomic.Int32            // questions in a row that it left without a reply
	soa     atomic.Pointer[dns.SOA] // what its apex probe had; nil: it does not count
	last    atomic.Pointer[error]   // why it doesn't, made by fault; nil: it does, or has not been heard
}

func (s *server) address() netip.AddrPort { return s.addrs[s.current.Load()] }

// heard notes what an apex probe came to.
func (s *server) heard(soa *dns.SOA, err error) {
	s.soa.Store(soa)
	if err == nil {
		s.last.Store(nil)
		return
	}
	s.last.Store(&err)
}

// fault says what is wrong with the server.
func (s *server) fault(err error) error { return fmt.Errorf("%s: %w", s.name, plain(err)) }

// plain calls every way to run out of time a timeout.
func plain(err error) error {
	if timedOut(err) {
		return upstream.ErrTimeout
	}
	return err
}

var errNoServer = errors.New("no name server has an address that may be asked")

// none says why no server counts.
func none(all []error) error {
	if len(all) == 0 {
		return errNoServer
	}
	return faults(all)
}

// faults are those of several servers, in one line.
type faults []error

func (f faults) Error() string {
	all := make([]string, len(f))
	for i, err := range f {
		all[i] = err.Error()
	}
	return strings.Join(sorted(all), "; ")
}

func (f faults) Unwrap() []error { return f }
