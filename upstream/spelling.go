package upstream

import (
	"bytes"
	"math/rand/v2"

	"notyet/wire"
)

// mixCase gives every letter of a wire-format name a random case (draft-vixie-dnsext-dns0x20-00), from ChaCha8 as ids are.
func mixCase(name []byte) {
	var random uint64
	for i, c := range name {
		if i%64 == 0 {
			random = rand.Uint64()
		}
		if (c|0x20)-'a' < 26 { // length octets are below 'A'
			name[i] ^= byte(random&1) << 5
		}
		random >>= 1
	}
}

// spelled reports whether reply, whose question is that of x, spells the qname as the query does.
func (x *Exchange) spelled(reply []byte) bool {
	end := wire.HeaderLen + len(x.Name)
	return bytes.Equal(reply[wire.HeaderLen:end], x.Query[wire.HeaderLen:end])
}
