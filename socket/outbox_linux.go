package socket

import (
	"slices"
	"sync"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

// Batch lets packets that are sent while a reader of a Group hands on what has arrived wait until it has done so: those from
// one Conn then go with one system call. Of a nil Batch every packet goes at once. It is safe for concurrent use.
type Batch struct {
	turns atomic.Int32 // readers that hand on what has arrived
	conns atomic.Pointer[[]*batchConn]
	mu    sync.Mutex // held while conns is replaced
}

func (b *Batch) begin() {
	if b != nil {
		b.turns.Add(1)
	}
}

// end sends what has waited. Nothing is overlooked: a packet waits only for a turn that was under way after the packet's outbox
// had said that it is used, and here the turn is over before the outboxes are looked at.
func (b *Batch) end() {
	if b == nil {
		return
	}
	b.turns.Add(-1)
	conns := b.conns.Load()
	if conns == nil {
		return
	}
	for _, c := range *conns {
		if c.outbox.used.Load() {
			c.flush()
		}
	}
}

func (b *Batch) add(c *batchConn) {
	b.change(func(conns []*batchConn) []*batchConn { return append(conns, c) })
}

func (b *Batch) remove(c *batchConn) {
	b.change(func(conns []*batchConn) []*batchConn {
		return slices.DeleteFunc(conns, func(other *batchConn) bool { return other == c })
	})
}

// change replaces conns, which the turns read without the lock.
func (b *Batch) change(f func([]*batchConn) []*batchConn) {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	var conns []*batchConn
	if old := b.conns.Load(); old != nil {
		conns = slices.Clone(*old)
	}
	conns = f(conns)
	b.conns.Store(&conns)
}

// replySize is how many bytes of a reply there is room for; a longer one costs an allocation.
const replySize = 1232

// outbox has the packets that a Conn is to send. The Conn's lock guards it.
type outbox struct {
	batch *Batch
	used  atomic.Bool // read without the lock

	n        int
	messages [BatchSize]mmsghdr
	iovecs   [BatchSize]unix.Iovec
	names    [BatchSize]unix.RawSockaddrInet6
	controls [BatchSize][controlSize]byte
	bytes    []byte           // BatchSize times a reply
	send     func(fd uintptr) // sends all
	errno    syscall.Errno    // of that
}

func (o *outbox) init(batch *Batch, c *batchConn) {
	o.batch, o.bytes = batch, make([]byte, BatchSize*replySize)
	o.send = func(fd uintptr) {
		o.errno = sendAll(fd, o.messages[:o.n])
	}
	batch.add(c)
}

// add takes a copy of the packet. It reports whether there is a turn at whose end it goes, and room for more until then.
func (o *outbox) add(b []byte, to Peer) (waits bool) {
	i := o.n
	m := &o.messages[i]
	m.setIovec(&o.iovecs[i], append(o.bytes[i*replySize:][:0:replySize], b...))
	m.setName(&o.names[i], toRaw(&o.names[i], to))
	m.setControl(putSource(o.controls[i][:0], to))
	o.n++
	if o.batch == nil {
		return false
	}
	o.used.Store(true)
	return o.batch.turns.Load() > 0 && o.n < BatchSize
}

func (o *outbox) clear() {
	o.n = 0
	o.used.Store(false)
}
