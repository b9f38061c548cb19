package wire

import "github.com/miekg/dns"

// Question returns the qname and the qtype of a message that asks one question of class IN, be it a query or a reply;
// ok is false for every other message. The name is in the message's spelling and points into it.
func Question(msg []byte) (name []byte, qtype uint16, ok bool) {
	if len(msg) < HeaderLen || be16(msg, 4) != 1 {
		return nil, 0, false
	}
	end := plainName(msg, HeaderLen)
	if end < 0 || end+4 > len(msg) || be16(msg, end+2) != dns.ClassINET {
		return nil, 0, false
	}
	return msg[HeaderLen:end:end], be16(msg, end), true
}
