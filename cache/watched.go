package cache

import (
	"time"

	"notyet/wire"
)

// Watched is how an answer under watch is kept. It lets none live longer than Put would.
type Watched struct {
	// MaxTTL bounds the lifetime of a positive answer and every TTL announced in it; 0: only Config.MaxTTL does.
	MaxTTL time.Duration
	// NoStale keeps a positive answer from standing in past its TTL: it is not the upstream's, which may have had reasons to
	// give another or none.
	NoStale bool
	// NXDOMAIN and NODATA bound the lifetime of each, fractions of a second included; 0: it is not kept.
	NXDOMAIN, NODATA time.Duration
	// Asked is the pending name that a negative belongs to; nil: the negative is used to the end of its life.
	Asked *Asked
	// EDE makes the extended error of a negative, as wire.AppendEDE does, in the place of the reply's own (nil: none). It
	// is told how long the negative is kept, called once, and with no lock held. A nil EDE leaves the reply's own.
	EDE func(kept time.Duration) []byte
}

func (w Watched) maxTTL(limit time.Duration) time.Duration {
	if w.MaxTTL > 0 {
		return min(w.MaxTTL, limit)
	}
	return limit
}

// limit is the longest that a negative of the kind may be kept.
func (w Watched) limit(kind wire.Kind) time.Duration {
	if kind == wire.NODATA {
		return w.NODATA
	}
	return w.NXDOMAIN
}
