package server

import (
	"encoding/binary"
	"errors"
	"hash/maphash"
	"net/netip"
	"sync"
	"time"

	"github.com/miekg/dns"

	"notyet/socket"
	"notyet/wire"
)

// The prefixes whose clients share a limit: what a sender can pick addresses from at will.
const (
	limitBits4 = 24
	limitBits6 = 56 // what a site is given (RFC 6177)
)

// How many prefixes are remembered: limitSets times limitWays. Of more, those that have been silent longest are
// forgotten, and may send as if they were new.
const (
	limitSets = 1 << 14
	limitWays = 4
)

// limitBurst is what may come at once: as much as in that time.
const limitBurst = time.Second

// limiter says which packets are over the limit of their client's prefix. It is a token bucket for each prefix, of
// which only the moment is kept when it will be full again. Safe for concurrent use.
type limiter struct {
	rate     int
	seed     maphash.Seed
	epoch    time.Time
	interval time.Duration // until a token is back
	sets     [limitSets]limitSet
}

// limitSet has the prefixes whose hashes end alike.
type limitSet struct {
	mu      sync.Mutex // guards the buckets
	buckets [limitWays]bucket
}

// bucket is what is known of a prefix.
type bucket struct {
	prefix uint64        // see prefixOf; 0: none
	full   time.Duration // when all its tokens are back, since the epoch
	told   bool          // the last packet over the limit was answered
}

// newLimiter makes one for that many packets a second; nil for 0.
func newLimiter(rate int, now time.Time) *limiter {
	if rate <= 0 {
		return nil
	}
	return &limiter{rate: rate, seed: maphash.MakeSeed(), epoch: now, interval: time.Second / time.Duration(rate)}
}

// verdict is what becomes of a packet.
type verdict int

const (
	within   verdict = iota // it is answered
	truncate                // it is over the limit, and told to come over TCP
	drop                    // it is over the limit
)

// take takes a token of the client's. Loopback has no limit: nobody can send from it but this machine's programs, one
// of which may be a proxy with clients of its own.
func (l *limiter) take(client netip.Addr, now time.Time) verdict {
	client = client.Unmap()
	if client.IsLoopback() {
		return within
	}
	prefix, t := prefixOf(client), now.Sub(l.epoch)
	set := &l.sets[maphash.Comparable(l.seed, prefix)%limitSets]
	set.mu.Lock()
	defer set.mu.Unlock()
	b := set.bucketLocked(prefix)
	full := max(b.full, t) + l.interval
	if full-t <= limitBurst {
		b.full = full
		return within
	}
	b.told = !b.told
	if b.told {
		return truncate
	}
	return drop
}

// bucketLocked returns the prefix's bucket, which may have to be taken from another.
func (s *limitSet) bucketLocked(prefix uint64) *bucket {
	idle := &s.buckets[0]
	for i := range s.buckets {
		b := &s.buckets[i]
		if b.prefix == prefix {
			return b
		}
		if b.full < idle.full {
			idle = b
		}
	}
	*idle = bucket{prefix: prefix}
	return idle
}

// prefixOf is the client's prefix as a number, which tells IPv4 and IPv6 apart and is never 0.
func prefixOf(client netip.Addr) uint64 {
	const is4, is6 = 1 << 62, 1 << 63
	if client.Is4() {
		address := client.As4()
		return is4 | uint64(binary.BigEndian.Uint32(address[:])>>(32-limitBits4))
	}
	address := client.As16()
	return is6 | binary.BigEndian.Uint64(address[:])>>(64-limitBits6)
}

// SetRateLimit changes Config.RateLimit, for the packets that come from now on. Every client begins anew if the limit
// is another one.
func (s *Server) SetRateLimit(rate int) {
	if l := s.limit.Load(); l != nil && l.rate == rate {
		return
	}
	s.limit.Store(newLimiter(rate, time.Now()))
}

// limited reports whether the packet p, of which r.query and err are what wire.ParseQuery said, is over the limit, and
// sees to the reply if it is to have one. Every second question that is over it is answered with tc: a real client
// comes back over TCP, which has no limit, and a forged one makes us send somebody no more than it sends us.
func (r *reader) limited(l *limiter, p *socket.Packet, err error, now time.Time) bool {
	if errors.Is(err, wire.ErrIgnore) {
		return false // it gets no reply anyway
	}
	v := l.take(p.Peer.Addr.Addr(), now)
	if v == within {
		return false
	}
	r.counts.limited++
	if v == truncate && err == nil {
		p.Out = wire.AppendAnswer(p.Out, &r.query, dns.RcodeSuccess, nil, nil)
		p.Out[2] |= byte(wire.TC >> 8)
		r.counts.rcodes[dns.RcodeSuccess]++
	}
	return true
}
