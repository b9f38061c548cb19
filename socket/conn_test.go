package socket

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"
)

// implementations are all that this system has of Conn. Elsewhere than on Linux they are the same.
var implementations = []struct {
	name string
	make func(*net.UDPConn, bool) (Conn, error)
}{
	{"native", func(c *net.UDPConn, wildcard bool) (Conn, error) { return newConn(c, wildcard, nil, false) }},
	{"native with a batch", func(c *net.UDPConn, wildcard bool) (Conn, error) { return newConn(c, wildcard, new(Batch), false) }},
	{"plain", newPlainConn},
}

// eachConn runs a test with every implementation, bound to addr.
func eachConn(t *testing.T, addr string, test func(t *testing.T, c Conn)) {
	t.Helper()
	for _, impl := range implementations {
		t.Run(impl.name, func(t *testing.T) {
			t.Parallel()
			if addr := netip.MustParseAddrPort(addr).Addr(); addr.Is6() && !canBind("[::1]:0") {
				t.Skip("no IPv6 here")
			}
			udp, err := listen(t.Context(), netip.MustParseAddrPort(addr), false)
			if err != nil {
				t.Fatalf("listen on %s: %v", addr, err)
			}
			c, err := impl.make(udp, netip.MustParseAddrPort(addr).Addr().IsUnspecified())
			if err != nil {
				t.Fatalf("make a Conn of the socket on %s: %v", addr, err)
			}
			t.Cleanup(func() { c.Close() })
			test(t, c)
		})
	}
}

func canBind(addr string) bool {
	c, err := net.ListenPacket("udp", addr)
	if err != nil {
		return false
	}
	c.Close()
	return true
}

// serve runs c.Serve and returns a function that waits for its end and checks that it gave no error.
func serve(t *testing.T, c Conn, handle func([]Packet)) (ended func()) {
	t.Helper()
	done := make(chan struct{})
	var err error
	go func() {
		defer close(done)
		err = c.Serve(handle)
	}()
	ended = func() {
		t.Helper()
		wait(t, done, "the end of Serve")
		if err != nil {
			t.Errorf("Serve: got %v, want nil", err)
		}
	}
	t.Cleanup(func() { c.Close(); ended() })
	return ended
}

// echo answers every packet with itself.
func echo(packets []Packet) {
	for i := range packets {
		packets[i].Out = append(packets[i].Out, packets[i].In...)
	}
}

// client is an unconnected socket, which sees from where replies come.
type client struct {
	t *testing.T
	*net.UDPConn
}

func newClient(t *testing.T, addr string) *client {
	t.Helper()
	c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort(addr)))
	if err != nil {
		t.Fatalf("client on %s: %v", addr, err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(patience))
	return &client{t: t, UDPConn: c}
}

func (c *client) send(to netip.AddrPort, packet string) {
	c.t.Helper()
	if _, err := c.WriteToUDPAddrPort([]byte(packet), to); err != nil {
		c.t.Fatalf("send %q to %v: %v", packet, to, err)
	}
}

func (c *client) receive() (packet string, from netip.AddrPort) {
	c.t.Helper()
	b := make([]byte, 2*MaxQuery)
	n, from, err := c.ReadFromUDPAddrPort(b)
	if err != nil {
		c.t.Fatalf("client %v: %v", c.LocalAddr(), err)
	}
	return string(b[:n]), netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
}

func (c *client) want(packet string, from netip.AddrPort) {
	c.t.Helper()
	if got, gotFrom := c.receive(); got != packet || gotFrom != from {
		c.t.Errorf("client %v: got %q from %v, want %q from %v", c.LocalAddr(), got, gotFrom, packet, from)
	}
}

func TestMorePacketsThanABatchAreAllAnsweredToTheirPeers(t *testing.T) {
	t.Parallel()
	const clients, each = 4, BatchSize - 10 // together more than three batches
	eachConn(t, "127.0.0.1:0", func(t *testing.T, c Conn) {
		var asking []*client
		for i := range clients {
			asking = append(asking, newClient(t, "127.0.0.1:0"))
			for n := range each {
				asking[i].send(c.LocalAddr(), fmt.Sprintf("client %d packet %d", i, n))
			}
		}
		largest := 0
		ended := serve(t, c, func(packets []Packet) {
			largest = max(largest, len(packets))
			for i := range packets {
				p := &packets[i]
				if p.Peer.Local.IsValid() || p.Peer.Scope != 0 || len(p.Out) != 0 || cap(p.Out) < 1232 {
					t.Errorf("%q: got Peer %+v and room for %d bytes behind %d, want neither Local nor Scope, 1232 behind 0", p.In, p.Peer, cap(p.Out), len(p.Out))
				}
				p.Out = fmt.Appendf(p.Out, "%s from %v", p.In, p.Peer.Addr)
			}
		})
		for i, asker := range asking {
			missing := make(map[string]bool)
			for n := range each {
				missing[fmt.Sprintf("client %d packet %d from %v", i, n, asker.LocalAddr())] = true
			}
			for range each {
				got, from := asker.receive()
				if !missing[got] || from != c.LocalAddr() {
					t.Errorf("client %d: got %q from %v, want each of its packets once from %v", i, got, from, c.LocalAddr())
				}
				delete(missing, got)
			}
		}
		c.Stop()
		ended()
		if _, batches := c.(*plainConn); !batches && largest != BatchSize {
			t.Errorf("%d packets were waiting: got batches of at most %d, want %d", clients*each, largest, BatchSize)
		}
	})
}

func TestPacketsWithoutAReplyGetNone(t *testing.T) {
	t.Parallel()
	eachConn(t, "127.0.0.1:0", func(t *testing.T, c Conn) {
		asker := newClient(t, "127.0.0.1:0")
		for _, packet := range []string{"silence", "one", "", "silence", "two", "silence"} {
			asker.send(c.LocalAddr(), packet)
		}
		serve(t, c, func(packets []Packet) {
			for i := range packets {
				if string(packets[i].In) != "silence" {
					packets[i].Out = append(packets[i].Out, packets[i].In...)
				}
			}
		})
		asker.want("one", c.LocalAddr())
		asker.want("two", c.LocalAddr())
	})
}

func TestLongPacketIsCut(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("the system gives an error instead, and the packet is left")
	}
	eachConn(t, "127.0.0.1:0", func(t *testing.T, c Conn) {
		asker := newClient(t, "127.0.0.1:0")
		long := string(bytes.Repeat([]byte("0123456789abcdef"), (MaxQuery+16)/16))
		asker.send(c.LocalAddr(), long)
		asker.send(c.LocalAddr(), "short")
		serve(t, c, echo)
		asker.want(long[:MaxQuery], c.LocalAddr())
		asker.want("short", c.LocalAddr())
	})
}

func TestWildcardAnswersFromTheAddressAsked(t *testing.T) {
	t.Parallel()
	asked := []string{"127.0.0.1", "127.0.0.2", "127.0.0.3"}
	if runtime.GOOS != "linux" {
		asked = asked[:1] // the others are not configured
	}
	eachConn(t, "0.0.0.0:0", func(t *testing.T, c Conn) {
		testWildcard(t, c, asked)
	})
}

func TestIPv6WildcardAnswersFromTheAddressAsked(t *testing.T) {
	t.Parallel()
	eachConn(t, "[::]:0", func(t *testing.T, c Conn) {
		testWildcard(t, c, []string{"::1"})
	})
}

// testWildcard asks c at several addresses, which answers half of the packets from the handler and half by Send.
func testWildcard(t *testing.T, c Conn, asked []string) {
	later := make(chan Peer, 2*len(asked))
	serve(t, c, func(packets []Packet) {
		for i := range packets {
			p := &packets[i]
			if string(p.In) == "later" {
				later <- p.Peer
				continue
			}
			p.Out = append(p.Out, p.Peer.Local.String()...)
		}
	})
	for _, a := range asked {
		addr := netip.AddrPortFrom(netip.MustParseAddr(a), c.LocalAddr().Port())
		asker := newClient(t, netip.AddrPortFrom(addr.Addr(), 0).String())
		asker.send(addr, "now")
		asker.want(a, addr)
		asker.send(addr, "later")
		if err := c.Send([]byte("here"), <-later); err != nil {
			t.Errorf("Send to a client that asked %v: %v", addr, err)
		}
		asker.want("here", addr)
	}
}

func TestIPv6IsAnswered(t *testing.T) {
	t.Parallel()
	eachConn(t, "[::1]:0", func(t *testing.T, c Conn) {
		serve(t, c, echo)
		asker := newClient(t, "[::1]:0")
		asker.send(c.LocalAddr(), "one")
		asker.want("one", c.LocalAddr())
	})
}

func TestSendDuringServe(t *testing.T) {
	t.Parallel()
	const senders, each = 8, 25
	eachConn(t, "127.0.0.1:0", func(t *testing.T, c Conn) {
		type question struct {
			packet string
			peer   Peer
		}
		questions := make(chan question, senders*each)
		serve(t, c, func(packets []Packet) {
			for _, p := range packets {
				questions <- question{string(p.In), p.Peer}
			}
		})
		var sending sync.WaitGroup
		for range senders {
			sending.Go(func() {
				for range each {
					q := <-questions
					if err := c.Send([]byte(q.packet), q.peer); err != nil {
						t.Errorf("Send %q to %v: %v", q.packet, q.peer.Addr, err)
					}
				}
			})
		}
		asker := newClient(t, "127.0.0.1:0")
		missing := make(map[string]bool)
		for i := range senders * each {
			packet := fmt.Sprintf("packet %d", i)
			missing[packet] = true
			asker.send(c.LocalAddr(), packet)
		}
		for range senders * each {
			got, _ := asker.receive()
			if !missing[got] {
				t.Errorf("got %q, want each packet once", got)
			}
			delete(missing, got)
		}
		sending.Wait()
	})
}

func TestStopEndsServeButNotSend(t *testing.T) {
	t.Parallel()
	for _, addr := range []string{"127.0.0.1:0", "0.0.0.0:0", "[::1]:0", "[::]:0"} {
		t.Run(addr, func(t *testing.T) {
			t.Parallel()
			eachConn(t, addr, func(t *testing.T, c Conn) {
				peers := make(chan Peer, 1)
				ended := serve(t, c, func(packets []Packet) { peers <- packets[0].Peer })
				asked := c.LocalAddr()
				if asked.Addr().IsUnspecified() {
					asked = netip.AddrPortFrom(loopbackOf(asked.Addr()), asked.Port())
				}
				asker := newClient(t, netip.AddrPortFrom(asked.Addr(), 0).String())
				asker.send(asked, "question")
				peer := <-peers
				c.Stop()
				ended()
				if err := c.Send([]byte("answer"), peer); err != nil {
					t.Errorf("Send after Stop: got %v, want nil", err)
				}
				asker.want("answer", asked)
			})
		})
	}
}

// loopbackOf is an address that a client may ask a wildcard at: on Linux one that isn't the first.
func loopbackOf(family netip.Addr) netip.Addr {
	switch {
	case family.Is6():
		return netip.IPv6Loopback()
	case runtime.GOOS == "linux":
		return netip.MustParseAddr("127.0.0.2")
	}
	return netip.MustParseAddr("127.0.0.1")
}

func TestStopBeforeServeEndsIt(t *testing.T) {
	t.Parallel()
	eachConn(t, "127.0.0.1:0", func(t *testing.T, c Conn) {
		c.Stop()
		serve(t, c, echo)()
	})
}

// A reader that is never idle has to notice too.
func TestStopAndCloseEndServeUnderLoad(t *testing.T) {
	t.Parallel()
	for name, stop := range map[string]func(Conn){"stop": Conn.Stop, "close": func(c Conn) { c.Close() }} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachConn(t, "127.0.0.1:0", func(t *testing.T, c Conn) {
				addr := c.LocalAddr()
				served := make(chan struct{})
				var once sync.Once
				ended := serve(t, c, func([]Packet) { once.Do(func() { close(served) }) })
				var flooding sync.WaitGroup
				quit := make(chan struct{})
				for range 2 {
					asker := newClient(t, "127.0.0.1:0")
					flooding.Go(func() {
						for {
							select {
							case <-quit:
								return
							default:
								_, _ = asker.WriteToUDPAddrPort([]byte("flood"), addr)
							}
						}
					})
				}
				defer flooding.Wait()
				defer close(quit)
				wait(t, served, "the first packet")
				stop(c)
				ended()
			})
		})
	}
}

func TestCloseEndsServe(t *testing.T) {
	t.Parallel()
	eachConn(t, "127.0.0.1:0", func(t *testing.T, c Conn) {
		served := make(chan struct{}, 1)
		ended := serve(t, c, func([]Packet) { served <- struct{}{} })
		newClient(t, "127.0.0.1:0").send(c.LocalAddr(), "question")
		<-served
		if err := c.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		ended()
		to := Peer{Addr: netip.MustParseAddrPort("127.0.0.1:53")}
		if err := c.Send([]byte("answer"), to); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Send after Close: got %v, want %v", err, net.ErrClosed)
		}
	})
}

func TestSendThatCannotBeSaysSo(t *testing.T) {
	t.Parallel()
	eachConn(t, "127.0.0.1:0", func(t *testing.T, c Conn) {
		to := Peer{Addr: netip.MustParseAddrPort("127.0.0.1:9")}
		if err := c.Send(make([]byte, 1<<16), to); !errors.Is(err, syscall.EMSGSIZE) {
			t.Errorf("Send of 64 KiB: got %v, want %v", err, syscall.EMSGSIZE)
		}
	})
}
