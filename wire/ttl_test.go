package wire

import (
	"bytes"
	"testing"

	"github.com/miekg/dns"
)

func TestNegativeTTL(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		ttl, minimum, want uint32
	}{
		{300, 60, 60},
		{60, 300, 60},
		{0, 300, 0},
		{300, 0, 0},
		{300, 1<<31 - 1, 300},
		{300, 1 << 31, 0},
		{1 << 31, 300, 0},
		{1<<31 - 1, 1<<31 - 1, 1<<31 - 1},
	} {
		m := message{question: "www.example. A", rcode: dns.RcodeNameError, flags: QR, authority: soa}.pack(t)
		name := wireName(t, "www.example.")
		ttls, end := ttlOffsets(t, m)
		copy(m[ttls[0]:], be32Bytes(tt.ttl))
		copy(m[end-4:], be32Bytes(tt.minimum))
		var r Reply
		if err := ParseReply(m, name, dns.TypeA, &r); err != nil || r.NegativeTTL() != tt.want {
			t.Errorf("SOA TTL %d, MINIMUM %d: got %d, %v, want %d", tt.ttl, tt.minimum, r.NegativeTTL(), err, tt.want)
		}
	}
}

func be32Bytes(v uint32) []byte { return []byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)} }

// TestTopBitOfTTL is RFC 2181, section 8.
func TestTopBitOfTTL(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ field, want uint32 }{
		{0, 0}, {1, 1}, {1<<31 - 1, 1<<31 - 1}, {1 << 31, 0}, {1<<31 + 300, 0}, {1<<32 - 1, 0},
	} {
		if got := TTL(tt.field); got != tt.want {
			t.Errorf("TTL(%#x): got %d, want %d", tt.field, got, tt.want)
		}
		m := message{question: "www.example. A", flags: QR, answer: "www.example. 1 A 192.0.2.1\nwww.example. 2147483647 A 192.0.2.2"}.pack(t)
		ttls, _ := ttlOffsets(t, m)
		copy(m[ttls[0]:], be32Bytes(tt.field))
		var r Reply
		if err := ParseReply(m, wireName(t, "www.example."), dns.TypeA, &r); err != nil || r.AnswerTTL != tt.want {
			t.Errorf("an answer with TTL %#x: got %d, %v, want %d", tt.field, r.AnswerTTL, err, tt.want)
		}
	}
}

func TestAge(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ ttl, seconds, want uint32 }{
		{300, 0, 300},
		{300, 1, 299},
		{300, 299, 1},
		{300, 300, 0},
		{300, 301, 0},
		{0, 1, 0},
		{1<<31 - 1, 1, 1<<31 - 2},
		{1<<31 - 1, 1<<32 - 1, 0},
		{1 << 31, 0, 0},
		{1<<32 - 1, 1, 0},
	} {
		msg := join([]byte{0xFF}, be32Bytes(tt.ttl), []byte{0xFF}, be32Bytes(1000), []byte{0xFF})
		Age(msg, []byte{0, 1, 0, 6}, tt.seconds)
		if want := join([]byte{0xFF}, be32Bytes(tt.want), []byte{0xFF}, be32Bytes(1000-min(tt.seconds, 1000)), []byte{0xFF}); !bytes.Equal(msg, want) {
			t.Errorf("TTL %d after %d s: got %x, want %x", tt.ttl, tt.seconds, msg, want)
		}
	}
}

func TestCap(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ field, limit, want uint32 }{
		{300, 60, 60},
		{60, 300, 60},
		{60, 60, 60},
		{60, 0, 0},
		{0, 60, 0},
		{1 << 31, 60, 0},
		{1<<31 - 1, 1<<32 - 1, 1<<31 - 1},
	} {
		msg := join([]byte{0xFF}, be32Bytes(tt.field), []byte{0xFF})
		Cap(msg, 1, tt.limit)
		if want := join([]byte{0xFF}, be32Bytes(tt.want), []byte{0xFF}); !bytes.Equal(msg, want) {
			t.Errorf("%d capped to %d: got %x, want %x", tt.field, tt.limit, msg, want)
		}
	}
}
