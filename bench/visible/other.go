//go:build !linux

// Visible measures how long a record that was asked for too early stays invisible behind DNS forwarders.
package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "visible: needs Linux (loopback addresses for every server)")
	os.Exit(1)
}
