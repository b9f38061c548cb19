// Package testbed starts the name servers a whole-program test needs, each on a loopback address
// of its own and each ending with whoever started it.
package testbed
