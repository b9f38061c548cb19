// Command lookup prints the IPv4 address of a name.
package main

import (
	"context"
	"fmt"
	"net"
	"os"
)

func main() {
	addrs, err := net.DefaultResolver.LookupNetIP(context.Background(), "ip4", os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(addrs[0])
}
