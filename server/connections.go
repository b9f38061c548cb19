package server

import (
	"container/list"
	"sync"
)

// maxConnections bounds the clients' TCP connections, each of which has two goroutines and a few KiB.
const maxConnections = 1000

// connections are the open TCP connections in the order in which they last asked something.
type connections struct {
	mu       sync.Mutex // guards all below and the element fields of the connections
	order    *list.List // of *conn; the one that has been silent longest in front
	stopping bool
}

func (c *connections) init() { c.order = list.New() }

// add takes a connection in. When there are too many, the one goes that has been silent longest and has nothing
// under way; if there is none, the new one is refused.
func (c *connections) add(n *conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopping {
		return false
	}
	if c.order.Len() >= maxConnections && !c.closeIdleLocked() {
		return false
	}
	n.element = c.order.PushBack(n)
	return true
}

func (c *connections) closeIdleLocked() bool {
	for e := c.order.Front(); e != nil; e = e.Next() {
		if n := e.Value.(*conn); n.underWay() == 0 {
			n.net.Close()
			c.removeLocked(n)
			return true
		}
	}
	return false
}

// touch notes that the connection has asked something.
func (c *connections) touch(n *conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n.element != nil {
		c.order.MoveToBack(n.element)
	}
}

func (c *connections) remove(n *conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.removeLocked(n)
}

func (c *connections) removeLocked(n *conn) {
	if n.element != nil {
		c.order.Remove(n.element)
		n.element = nil
	}
}

func (c *connections) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.order.Len()
}

// stopReading lets every connection end once what is under way on it is answered.
func (c *connections) stopReading() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopping = true
	for e := c.order.Front(); e != nil; e = e.Next() {
		e.Value.(*conn).stopReading()
	}
}

// closeAll ends every connection.
func (c *connections) closeAll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for e := c.order.Front(); e != nil; e = e.Next() {
		e.Value.(*conn).net.Close()
	}
}
