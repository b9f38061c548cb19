package socket

import (
	"net/netip"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"
)

// bindIn makes a Conn of the batch, and a client of it.
func bindIn(t *testing.T, b *Batch) (*batchConn, *client, Peer) {
	t.Helper()
	c, err := Listen(t.Context(), netip.MustParseAddrPort("127.0.0.1:0"), false, b)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	asker := newClient(t, "127.0.0.1:0")
	return c.(*batchConn), asker, Peer{Addr: addrPort(asker.LocalAddr())}
}

// wantNone wants nothing to have arrived so far; what is sent on loopback arrives before the call that sends it returns.
func (c *client) wantNone() {
	c.t.Helper()
	raw, err := c.SyscallConn()
	if err != nil {
		c.t.Fatal(err)
	}
	var size int
	if e := raw.Control(func(fd uintptr) { size, err = unix.IoctlGetInt(int(fd), unix.SIOCINQ) }); e != nil || err != nil {
		c.t.Fatal(e, err)
	}
	if size != 0 {
		got, _ := c.receive()
		c.t.Errorf("client %v: got %q, want nothing yet", c.LocalAddr(), got)
	}
}

func send(t *testing.T, c Conn, packet string, to Peer) {
	t.Helper()
	if err := c.Send([]byte(packet), to); err != nil {
		t.Errorf("Send %.20q to %v: %v", packet, to.Addr, err)
	}
}

func TestPacketsWaitForTheEndOfATurn(t *testing.T) {
	t.Parallel()
	var b Batch
	one, client1, peer1 := bindIn(t, &b)
	other, client2, peer2 := bindIn(t, &b)
	send(t, one, "before any turn", peer1)
	client1.want("before any turn", one.LocalAddr())

	b.begin()
	send(t, one, "first", peer1)
	send(t, one, strings.Repeat("l", 2*replySize), peer1)
	send(t, other, "third", peer2)
	client1.wantNone()
	client2.wantNone()
	b.end()
	client1.want("first", one.LocalAddr())
	client1.want(strings.Repeat("l", 2*replySize), one.LocalAddr())
	client2.want("third", other.LocalAddr())

	send(t, one, "after it", peer1)
	client1.want("after it", one.LocalAddr())
}

func TestPacketsOfOverlappingTurnsGoAtTheEndOfEither(t *testing.T) {
	t.Parallel()
	var b Batch
	c, asker, peer := bindIn(t, &b)
	b.begin()
	b.begin()
	send(t, c, "one", peer)
	b.end()
	asker.want("one", c.LocalAddr())
	send(t, c, "two", peer)
	asker.wantNone()
	b.end()
	asker.want("two", c.LocalAddr())
}

func TestFullOutboxDoesNotWaitForTheEndOfATurn(t *testing.T) {
	t.Parallel()
	var b Batch
	c, asker, peer := bindIn(t, &b)
	b.begin()
	for i := range BatchSize + 1 {
		send(t, c, strconv.Itoa(i), peer)
	}
	for i := range BatchSize {
		asker.want(strconv.Itoa(i), c.LocalAddr())
	}
	asker.wantNone()
	b.end()
	asker.want(strconv.Itoa(BatchSize), c.LocalAddr())
}

func TestCloseSendsWhatWaits(t *testing.T) {
	t.Parallel()
	var b Batch
	c, asker, peer := bindIn(t, &b)
	b.begin()
	send(t, c, "last", peer)
	at := c.LocalAddr()
	c.Close()
	asker.want("last", at)
	b.end()
	if conns := *b.conns.Load(); len(conns) != 0 {
		t.Errorf("the batch has %d sockets after Close, want none", len(conns))
	}
}

func TestPacketIsNotForgottenThatIsSentAsATurnEnds(t *testing.T) {
	t.Parallel()
	var b Batch
	c, asker, peer := bindIn(t, &b)
	for range 100 { // which take the turn's end a while
		bindIn(t, &b)
	}
	const rounds = 5000
	var arrived atomic.Int32
	together := func(round int) { // at the same moment, as near as it goes
		for arrived.Add(1); arrived.Load() < int32(2*round); {
			runtime.Gosched()
		}
	}
	var turning sync.WaitGroup
	turning.Go(func() {
		for i := range rounds {
			b.begin()
			together(2*i + 1)
			b.end()
			together(2*i + 2)
		}
	})
	for i := range rounds {
		together(2*i + 1)
		send(t, c, "packet", peer)
		together(2*i + 2)
		asker.want("packet", c.LocalAddr())
	}
	turning.Wait()
}

func TestRepliesToWhatAGroupReceivesGoTogether(t *testing.T) {
	t.Parallel()
	var b Batch
	g, err := NewGroup(&b)
	if err != nil {
		t.Fatal(err)
	}
	run(t, g)
	c, asker, peer := bindIn(t, &b)
	server := newClient(t, "127.0.0.1:0")
	s := dialGroup(t, g, addrPort(server.LocalAddr()), receiverFunc(func(_ *Connected, packet []byte, _ error) {
		send(t, c, string(packet), peer)
		asker.wantNone()
	}))
	server.send(s.LocalAddr(), "reply")
	asker.want("reply", c.LocalAddr())
}
