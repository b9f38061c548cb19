package socket

import "errors"

// MaxReply is the longest packet that a Connected receives, in bytes; a longer one is cut and will not parse.
const MaxReply = 4096

// ErrClosed is what Send on a closed socket returns.
var ErrClosed = errors.New("socket is closed")

// Receiver gets what arrives on a Connected.
type Receiver interface {
	// Receive gets one packet, which is valid until it returns; or err, when the kernel reports
	// one for the socket (ICMP port unreachable, say). The socket may have been closed meanwhile.
	Receive(s *Connected, b []byte, err error)
}
