package demo

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"sync"

	"github.com/miekg/dns"
)

// network is where servers listen, and how they are asked.
type network interface {
	// listen lets a server answer at an address of its own.
	listen(answer handler) (netip.AddrPort, error)
	// exchange asks once and waits for the reply until ctx ends.
	exchange(ctx context.Context, at netip.AddrPort, q *dns.Msg) (*dns.Msg, error)
}

// handler makes the reply to a query with one question. It is called from several goroutines.
type handler func(q *dns.Msg) *dns.Msg

// loopback is the network of 127.0.0.1, over UDP.
type loopback struct {
	servers []*dns.Server
	running sync.WaitGroup
}

func (l *loopback) listen(answer handler) (netip.AddrPort, error) {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return netip.AddrPort{}, err
	}
	started := make(chan struct{})
	server := &dns.Server{
		PacketConn: conn, NotifyStartedFunc: func() { close(started) },
		Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
			_ = w.WriteMsg(answer(q)) // who asks notices
		}),
	}
	failed := make(chan error, 1)
	l.running.Go(func() { failed <- server.ActivateAndServe() })
	select {
	case <-started:
	case err := <-failed:
		conn.Close()
		return netip.AddrPort{}, err
	}
	l.servers = append(l.servers, server)
	return conn.LocalAddr().(*net.UDPAddr).AddrPort(), nil
}

// close ends all servers, the last first: it may still be asking those before it. Nobody else may be.
func (l *loopback) close() {
	for _, s := range slices.Backward(l.servers) {
		_ = s.Shutdown() // all have started, and none has been shut down
	}
	l.running.Wait()
}

func (l *loopback) exchange(ctx context.Context, at netip.AddrPort, q *dns.Msg) (*dns.Msg, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "udp4", at.String())
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() }) // the client watches the deadline only
	defer stop()
	reply, _, err := new(dns.Client).ExchangeWithConnContext(ctx, q, &dns.Conn{Conn: conn})
	return reply, err
}
