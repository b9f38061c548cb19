package socket

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"strconv"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// plainConn reads and answers one packet at a time, on every system.
type plainConn struct {
	conn *net.UDPConn
	// One of these is set when the socket is bound to a wildcard: it tells the address that was asked.
	v4 *ipv4.PacketConn
	v6 *ipv6.PacketConn
}

func newPlainConn(c *net.UDPConn, wildcard bool) (Conn, error) {
	p := &plainConn{conn: c}
	if !wildcard {
		return p, nil
	}
	// Windows can't tell (an error here); replies then leave from the address that routing picks.
	if addrPort(c.LocalAddr()).Addr().Is4() {
		if v4 := ipv4.NewPacketConn(c); v4.SetControlMessage(ipv4.FlagDst, true) == nil {
			p.v4 = v4
		}
	} else if v6 := ipv6.NewPacketConn(c); v6.SetControlMessage(ipv6.FlagDst, true) == nil {
		p.v6 = v6
	}
	return p, nil
}

func (p *plainConn) Serve(handle func([]Packet)) error {
	in, out := make([]byte, MaxQuery), make([]byte, 0, MaxQuery)
	for {
		n, peer, err := p.read(in)
		if err != nil {
			if errors.Is(err, net.ErrClosed) || errors.Is(err, os.ErrDeadlineExceeded) {
				return nil
			}
			continue // a packet of ours that bounced, or one that was too long
		}
		packets := [1]Packet{{Peer: peer, In: in[:n], Out: out}}
		handle(packets[:])
		if len(packets[0].Out) > 0 {
			_ = p.Send(packets[0].Out, peer) // lost, as packets may be
		}
	}
}

func (p *plainConn) read(b []byte) (n int, peer Peer, err error) {
	var from net.Addr
	switch {
	case p.v4 != nil:
		var cm *ipv4.ControlMessage
		if n, cm, from, err = p.v4.ReadFrom(b); err == nil && cm != nil {
			peer.Local, _ = netip.AddrFromSlice(cm.Dst.To4())
		}
	case p.v6 != nil:
		var cm *ipv6.ControlMessage
		if n, cm, from, err = p.v6.ReadFrom(b); err == nil && cm != nil {
			peer.Local, _ = netip.AddrFromSlice(cm.Dst)
		}
	default:
		n, peer.Addr, err = p.conn.ReadFromUDPAddrPort(b)
	}
	if from != nil {
		peer.Addr = from.(*net.UDPAddr).AddrPort()
	}
	addr := peer.Addr.Addr().Unmap()
	if zone := addr.Zone(); zone != "" {
		peer.Scope = scope(zone)
	}
	peer.Addr = netip.AddrPortFrom(addr.WithZone(""), peer.Addr.Port())
	return n, peer, err
}

// scope is the index of the interface with this name or number, 0 if there is none.
func scope(zone string) uint32 {
	if n, err := strconv.ParseUint(zone, 10, 32); err == nil {
		return uint32(n)
	}
	if i, err := net.InterfaceByName(zone); err == nil {
		return uint32(i.Index)
	}
	return 0
}

func (p *plainConn) Send(b []byte, to Peer) error {
	addr := to.Addr
	if to.Scope != 0 {
		addr = netip.AddrPortFrom(addr.Addr().WithZone(strconv.Itoa(int(to.Scope))), addr.Port())
	}
	var err error
	switch {
	case p.v4 != nil && to.Local.IsValid():
		_, err = p.v4.WriteTo(b, &ipv4.ControlMessage{Src: to.Local.AsSlice()}, net.UDPAddrFromAddrPort(addr))
	case p.v6 != nil && to.Local.IsValid():
		_, err = p.v6.WriteTo(b, &ipv6.ControlMessage{Src: to.Local.AsSlice()}, net.UDPAddrFromAddrPort(addr))
	default:
		_, err = p.conn.WriteToUDPAddrPort(b, addr)
	}
	return err
}

func (p *plainConn) Stop() { _ = p.conn.SetReadDeadline(time.Unix(1, 0)) }

func (p *plainConn) Close() error { return p.conn.Close() }

func (p *plainConn) LocalAddr() netip.AddrPort { return addrPort(p.conn.LocalAddr()) }

func (p *plainConn) Drops() uint64 { return 0 }
