//go:build !linux

// Outage measures what clients of notyet notice when one of its two upstreams is killed or stopped.
package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "outage: needs Linux (loopback addresses for every server)")
	os.Exit(1)
}
