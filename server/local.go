package server

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"strings"

	"github.com/miekg/dns"

	"notyet/wire"
)

// local appends the reply to a packet that neither cache nor upstream are needed for, and the reply's rcode; err is what
// wire.ParseQuery said of it. It returns false for a good question; a packet that gets no reply leaves dst as it is.
func (s *Server) local(dst, packet []byte, q *wire.Query, err error, client netip.Addr) (reply []byte, rcode int, ok bool) {
	if err != nil {
		reply, rcode = s.noQuestion(dst, packet, q, err, client)
		return reply, rcode, true
	}
	var rr, options []byte
	switch {
	case !s.allow.Load().has(client):
		rcode, options = dns.RcodeRefused, notAllowed()
	case q.EDNS.Version > 0:
		rcode = dns.RcodeBadVers
	case q.Class == dns.ClassCHAOS:
		rcode, rr = s.chaos(q)
	case q.Class != dns.ClassINET:
		rcode = dns.RcodeNotImplemented
	case q.Type == dns.TypeAXFR, q.Type == dns.TypeIXFR:
		rcode = dns.RcodeRefused
	case q.Type == dns.TypeANY:
		rr = wire.HINFO()
	default:
		return dst, 0, false
	}
	return wire.AppendAnswer(dst, q, rcode, rr, options), rcode, true
}

// noQuestion appends the reply to a packet that wire.ParseQuery returned that error for.
func (s *Server) noQuestion(dst, packet []byte, q *wire.Query, err error, client netip.Addr) (reply []byte, rcode int) {
	var options []byte
	isNotify := errors.Is(err, wire.ErrOpcode) && q.Flags.Opcode() == dns.OpcodeNotify
	switch {
	case errors.Is(err, wire.ErrIgnore):
		return dst, 0
	case isNotify && s.config.Notify != nil:
		return s.notified(dst, packet, client)
	case !s.allow.Load().has(client):
		rcode, options = dns.RcodeRefused, notAllowed()
	case isNotify:
		rcode = dns.RcodeRefused
	case errors.Is(err, wire.ErrOpcode):
		rcode = dns.RcodeNotImplemented
	default:
		rcode = dns.RcodeFormatError
	}
	return wire.AppendAnswer(dst, q, rcode, nil, options), rcode
}

// notAllowed is the EDNS option for a client that is not answered.
func notAllowed() []byte {
	return wire.AppendEDE(nil, dns.ExtendedErrorCodeProhibited, "notyet: this client is not in allow")
}

// notified appends the reply to a NOTIFY (RFC 1996).
func (s *Server) notified(dst, packet []byte, client netip.Addr) (reply []byte, rcode int) {
	answer := s.config.Notify(packet, client)
	if len(answer) < wire.HeaderLen {
		return dst, 0
	}
	return append(dst, answer...), wire.Flags(binary.BigEndian.Uint16(answer[2:])).Rcode()
}

// chaos answers who and what this server is (RFC 4892).
func (s *Server) chaos(q *wire.Query) (rcode int, rr []byte) {
	if q.Type != dns.TypeTXT && q.Type != dns.TypeANY {
		return dns.RcodeNotImplemented, nil
	}
	var text string
	switch strings.ToLower(wire.String(q.Name)) {
	case "version.bind.", "version.server.":
		text = s.config.Version
	case "id.server.", "hostname.bind.":
		text = s.config.ID
	default:
		return dns.RcodeNotImplemented, nil
	}
	if text == "" {
		return dns.RcodeRefused, nil
	}
	return dns.RcodeSuccess, wire.ChaosTXT(text)
}
