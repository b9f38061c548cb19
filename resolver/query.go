// Package resolver decides what becomes of a question that the cache can't answer: which upstreams it goes to, one exchange
// for all who ask the same, and what the client is told when nobody answers.
package resolver

import (
	"notyet/cache"
)

// Query is one client's question on its way to an answer.
type Query struct {
	// Key is the question; its bytes are the asker's and have to stay untouched until Serve returns.
	Key cache.Key
	// RD says that the client wants recursion. Without it the answer comes from what the upstream
	// has, and is not kept.
	RD bool
	// Done gets the answer. It is called exactly once, from any goroutine, maybe before Serve
	// returns, and must not block.
	Done func(*cache.Entry)

	next *Query // in the list of those that wait for the same exchange
}
