package server

import (
	"net"
	"runtime"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"notyet/resolver"
)

// isOpen says whether the server has the connection open. It must have no reply under way.
func (c client) isOpen() bool {
	c.SetReadDeadline(time.Now())
	defer c.SetReadDeadline(time.Now().Add(fakePatience))
	_, err := c.Read(make([]byte, 1))
	timeout, ok := err.(net.Error)
	return ok && timeout.Timeout()
}

func TestOneConnectionTooManyPushesOutTheOneSilentLongest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := startInMemory(t, nil)
		var all []client
		for range maxConnections {
			all = append(all, m.listener.connect(t))
			synctest.Wait()
		}
		all[0].ask(t, query("www.example.com. A"))
		all[1].Write([]byte{0, 0, 0}) // no query
		all[2].ask(t, query("www.example.com. A"))
		for i, out := range []int{1, 3} {
			c := m.listener.connect(t)
			synctest.Wait()
			if all[out].isOpen() || !all[0].isOpen() || !all[2].isOpen() || !all[4].isOpen() || !c.isOpen() {
				t.Errorf("after %d more: got connections 0 to 4 open: %v %v %v %v %v, new one open: %v; want %d pushed out",
					i+1, all[0].isOpen(), all[1].isOpen(), all[2].isOpen(), all[3].isOpen(), all[4].isOpen(), c.isOpen(), out)
			}
			c.ask(t, query("www.example.com. A"))
			if got := m.conns.count(); got != maxConnections {
				t.Errorf("got %d connections, want %d", got, maxConnections)
			}
		}
	})
}

func TestConnectionWithAQueryUnderWayIsNotPushedOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		waiting := make(held, maxConnections)
		m := startInMemory(t, func(c *Config, _ *upstream) { c.Resolve = waiting.resolve })
		var all []client
		for range maxConnections {
			c := m.listener.connect(t)
			c.send(t, pack(t, query("www.example.com. A")))
			all = append(all, c)
			synctest.Wait()
		}
		refused := m.listener.connect(t)
		synctest.Wait()
		if refused.isOpen() {
			t.Errorf("got one more connection taken, want it refused: all others have a query under way")
		}
		var queries []*resolver.Query
		for range all {
			queries = append(queries, <-waiting)
		}
		for _, q := range queries[:500] {
			q.Done(m.upstream.answer(q.Key))
		}
		for _, c := range all[:500] {
			c.reply(t)
		}
		synctest.Wait()
		taken := m.listener.connect(t)
		synctest.Wait()
		if !taken.isOpen() || all[0].isOpen() || !all[500].isOpen() {
			t.Errorf("new connection: got %v, first that is answered: %v, first that isn't: %v; want the answered one pushed out", taken.isOpen(), all[0].isOpen(), all[500].isOpen())
		}
		for _, q := range queries[500:] {
			q.Done(m.upstream.answer(q.Key))
		}
		for _, c := range all[500:] {
			c.reply(t)
		}
	})
}

func TestConnectionsAreTakenAgainAfterAShortage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := startInMemory(t, nil)
		for range 3 {
			m.listener.fail <- syscall.EMFILE
		}
		start := time.Now()
		m.listener.connect(t).ask(t, query("www.example.com. A"))
		if took := time.Since(start); took > time.Second {
			t.Errorf("got the reply after %v, want under a second", took)
		}
		m.listener.fail <- syscall.EMFILE // one more when it stops
		synctest.Wait()
		m.stop()
		if took := m.stopped(t); took != 0 {
			t.Errorf("got Run's return %v after the stop, want at once", took)
		}
	})
}

// TestRepliesThatNobodyReadsTakeLittleMemory has 2,000 replies of 64 KB wait, 131 MB. It looks at the whole heap, so
// it runs alone.
func TestRepliesThatNobodyReadsTakeLittleMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const connections = 20
		m := startInMemory(t, nil)
		m.upstream.putSized(65535)
		before := heap()
		sized := pack(t, query("sized.example.com. TYPE65400"))
		var clients []client
		for range connections {
			c := m.listener.connect(t)
			clients = append(clients, c)
			go c.sendAgain(t, sized, maxPipelined)
		}
		synctest.Wait()
		if got := heap() - before; got > 20<<20 {
			t.Errorf("%d connections with %d replies waiting: got %d MB, want under 20", connections, maxPipelined, got>>20)
		}
		for _, c := range clients {
			for range maxPipelined {
				if m := c.reply(t); len(m.Answer) != 1 {
					t.Fatalf("got %v, want the record", m)
				}
			}
		}
	})
}

// heap is how many bytes are in use.
func heap() int {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// TestManyLargeRepliesOverOneConnection has more than maxPipelined of them, of which several are written at once.
func TestManyLargeRepliesOverOneConnection(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := startInMemory(t, nil)
		m.upstream.putSized(5000)
		sized := pack(t, query("sized.example.com. TYPE65400"))
		c := m.listener.connect(t)
		const many = 3 * maxPipelined
		go c.sendAgain(t, sized, many)
		synctest.Wait() // as many wait as may
		for i := range many {
			if m := c.reply(t); len(m.Answer) != 1 {
				t.Fatalf("reply %d: got %v, want the record", i, m)
			}
		}
	})
}
