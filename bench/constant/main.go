// Constant answers every query over UDP with the same record, without looking at it: what notyet's own socket code
// costs, and nothing else. A query with anything behind its question gets nonsense.
//
//	constant ADDRESS:PORT
package main

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"os"

	"notyet/socket"
)

func main() {
	os.Exit(run(context.Background(), os.Args[1:], os.Stderr))
}

// run serves until the process is ended. It returns the exit code: 1 it cannot serve, 2 wrong usage.
func run(ctx context.Context, args []string, stderr io.Writer) int {
	if len(args) != 1 {
		fmt.Fprintln(stderr, "usage: constant ADDRESS:PORT")
		return 2
	}
	if err := serve(ctx, args[0]); err != nil {
		fmt.Fprintln(stderr, "constant:", err)
		return 1
	}
	return 0
}

func serve(ctx context.Context, at string) error {
	addr, err := netip.ParseAddrPort(at)
	if err != nil {
		return err
	}
	conn, err := socket.Listen(ctx, addr, false, nil)
	if err != nil {
		return err
	}
	defer conn.Close()
	return conn.Serve(func(packets []socket.Packet) {
		for i := range packets {
			packets[i].Out = appendAnswer(packets[i].Out, packets[i].In)
		}
	})
}

// record has the question's name as its owner name (a pointer to offset 12): A, IN, 3600 s, 192.0.2.1.
var record = [...]byte{0xc0, 12, 0, 1, 0, 1, 0, 0, 0x0e, 0x10, 0, 4, 192, 0, 2, 1}

// appendAnswer appends the reply to query, or nothing if it is no query.
func appendAnswer(b, query []byte) []byte {
	const header = 12
	if len(query) < header || query[2]&0x80 != 0 || len(query)+len(record) > cap(b) {
		return b
	}
	b = append(b, query...)
	b[2] |= 0x80 // qr
	b[3] |= 0x80 // ra
	b[7] = 1     // one answer
	return append(b, record[:]...)
}
