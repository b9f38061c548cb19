package upstream

import (
	"encoding/binary"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"

	"notyet/wire"
)

// form is what a query has beside the question. The zero form is the query as it was given.
type form int32

const (
	cookied  form = iota - 1 // an OPT with a cookie in it (RFC 7873)
	extended                 // an OPT (RFC 6891)
	basic                    // nothing: RFC 1035
)

// formMemory is how long an upstream that fails at a form is spared it.
const formMemory = time.Hour

// Silence says little, since packets get lost and servers go down. An upstream is taken to drop queries of a form after so many
// rounds, in each of which one of them timed out and one without EDNS was answered, with no reply to any with EDNS in between.
const maxSilentRounds = 3

// A query without EDNS is tried when one with it timed out; of an upstream that has used EDNS before, when so many have in a row.
const maxSilences = 8

// minSilence is how long no reply has to come for that to count.
const minSilence = time.Second

// edns is which form of a query an upstream answers.
type edns struct {
	log      *slog.Logger
	epoch    time.Time
	form     atomic.Int32  // the richest that it does not fail at
	until    atomic.Int64  // ns from epoch: richer ones are tried again then
	silences atomic.Int32  // queries with EDNS in a row that timed out
	turn     atomic.Uint32 // of those that are asked meanwhile
	spoke    atomic.Bool   // it has put an OPT into a reply

	mu     sync.Mutex // guards all below
	heard  bool       // a query without EDNS was answered in this round
	rounds int
	told   bool // that EDNS is of no use
}

// choose says in which form to ask now. With do the answer would be of no use without EDNS, so that is not tried.
func (e *edns) choose(now time.Time, do bool) form {
	f := e.current(now)
	if n := e.silences.Load(); f == basic || n == 0 || do || n < maxSilences && e.spoke.Load() {
		return f
	}
	if e.turn.Add(1)%2 == 0 {
		return f
	}
	return basic
}

func (e *edns) current(now time.Time) form {
	f := e.form.Load()
	if form(f) != cookied && int64(now.Sub(e.epoch)) >= e.until.Load() && e.form.CompareAndSwap(f, int32(cookied)) {
		return cookied
	}
	return form(f)
}

// lower spares the upstream the forms above f for a while.
func (e *edns) lower(f form) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.lowerLocked(f)
}

func (e *edns) lowerLocked(f form) {
	if form(e.form.Load()) >= f {
		return
	}
	e.until.Store(int64(time.Since(e.epoch) + formMemory))
	e.form.Store(int32(f))
	if f == basic && !e.told {
		e.told = true
		e.log.Warn("upstream does not answer queries with EDNS: it is asked without, and gives no DNSSEC records",
			"again", formMemory.String(), "remedy", "update it, or let what stands before it pass EDNS")
	}
}

// saw notes that there is a reply to a query of a form.
func (e *edns) saw(f form, reply []byte) {
	silent := e.silences.Load() > 0
	switch {
	case f == basic && silent:
		e.mu.Lock()
		e.heard = true
		e.mu.Unlock()
	case f != basic && silent:
		e.mu.Lock()
		e.silences.Store(0)
		e.heard, e.rounds = false, 0
		e.mu.Unlock()
	}
	if f != basic && !e.spoke.Load() {
		if _, ok := wire.FindOPT(reply); ok {
			e.spoke.Store(true)
		}
	}
}

// timedOut notes that a query of a form has not been answered for a while.
func (e *edns) timedOut(f form) {
	if f == basic {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.silences.Add(1)
	if !e.heard {
		return
	}
	e.heard = false
	if e.rounds++; e.rounds >= maxSilentRounds {
		e.rounds = maxSilentRounds - 1 // from now on one more is enough
		e.lowerLocked(f + 1)
	}
}

// refuses reports whether a reply says that the server can't do with the form of the query (RFC 6891, section 7).
func refuses(reply []byte) bool {
	switch rcode := wire.Flags(binary.BigEndian.Uint16(reply[2:])).Rcode(); {
	case rcode == dns.RcodeFormatError, rcode == dns.RcodeNotImplemented:
		return true
	case rcode == dns.RcodeBadVers&0xF && binary.BigEndian.Uint16(reply[6:]) == 0: // no answer
		opt, _ := wire.FindOPT(reply)
		return opt.Rcode|rcode == dns.RcodeBadVers
	}
	return false
}
