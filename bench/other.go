//go:build !linux

// Bench measures what one answered query costs notyet and other DNS forwarders.
package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "bench: needs Linux (taskset, /proc and the servers it compares)")
	os.Exit(1)
}
