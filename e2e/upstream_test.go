//go:build e2e && linux

package e2e

import (
	"bytes"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/miekg/dns"

	"notyet/e2e/testbed"
)

// A fakeUpstream is an upstream that does what its handler says, over UDP and TCP.
type fakeUpstream struct {
	addr   netip.AddrPort
	handle func(*incoming) // called for each query in a goroutine of its own
	done   chan struct{}   // closed by stop
	stop   func()          // closes the sockets; a second call does nothing

	mu    sync.Mutex  // guards asked
	asked []*incoming // in the order they came
}

// incoming is a query that a fakeUpstream got. Its qname is in lower case; replies get the spelling that it came in.
type incoming struct {
	*dns.Msg
	proto string // "udp" or "tcp"
	from  netip.AddrPort
	write func([]byte)
	// writeAsIs is write but for the spelling.
	writeAsIs func([]byte)
	// forge writes to the client from a port that it did not send to; UDP only.
	forge func([]byte)
	// hangUp closes the connection; TCP only.
	hangUp func()
	done   <-chan struct{} // closed when the upstream stops
}

func startUpstream(t testing.TB, handle func(*incoming)) *fakeUpstream {
	t.Helper()
	return startUpstreamAt(t, nobody(t), handle)
}

func startUpstreamAt(t testing.TB, at netip.AddrPort, handle func(*incoming)) *fakeUpstream {
	t.Helper()
	u := &fakeUpstream{addr: at, handle: handle, done: make(chan struct{})}
	var udp *net.UDPConn
	var err error
	// Whoever binds the port on the wildcard address for a moment is in the way.
	testbed.Within(patience, func() bool {
		udp, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(u.addr))
		return err == nil
	})
	if err != nil {
		t.Fatalf("%v", err)
	}
	tcp, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(u.addr))
	if err != nil {
		t.Fatalf("%v", err)
	}
	other, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(u.addr.Addr(), 0)))
	if err != nil {
		t.Fatalf("%v", err)
	}
	u.stop = sync.OnceFunc(func() {
		close(u.done)
		udp.Close()
		tcp.Close()
		other.Close()
	})
	t.Cleanup(u.stop)
	go u.serveUDP(udp, other)
	go u.serveTCP(tcp)
	return u
}

func (u *fakeUpstream) serveUDP(conn, other *net.UDPConn) {
	buf := make([]byte, 65536)
	for {
		n, from, err := conn.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		u.take(&incoming{
			proto: "udp",
			from:  from,
			write: func(b []byte) { _, _ = conn.WriteToUDPAddrPort(b, from) },
			forge: func(b []byte) { _, _ = other.WriteToUDPAddrPort(b, from) },
		}, buf[:n])
	}
}

func (u *fakeUpstream) serveTCP(l *net.TCPListener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			go func() { <-u.done; conn.Close() }()
			var mu sync.Mutex // serializes writes
			c := &client{Conn: conn, proto: "tcp"}
			for {
				b, err := c.receive(patience * 10)
				if err != nil {
					return
				}
				u.take(&incoming{
					proto: "tcp",
					write: func(b []byte) {
						mu.Lock()
						defer mu.Unlock()
						_ = c.send(b)
					},
					hangUp: func() { conn.Close() },
				}, b)
			}
		}()
	}
}

func (u *fakeUpstream) take(in *incoming, packet []byte) {
	in.Msg = new(dns.Msg)
	in.done = u.done
	if in.Unpack(packet) != nil || len(in.Question) != 1 {
		return
	}
	in.Question[0].Name = strings.ToLower(in.Question[0].Name)
	in.writeAsIs = in.write
	qname := qnameOf(packet)
	in.write = func(b []byte) {
		b = bytes.Clone(b)
		if bytes.EqualFold(qnameOf(b), qname) {
			copy(b[headerSize:], qname)
		}
		in.writeAsIs(b)
	}
	u.mu.Lock()
	u.asked = append(u.asked, in)
	u.mu.Unlock()
	go u.handle(in)
}

// qnameOf is the qname of a message as it stands there, nil if there is none.
func qnameOf(b []byte) []byte {
	for end := headerSize; end < len(b); end += 1 + int(b[end]) {
		if b[end] == 0 {
			return bytes.Clone(b[headerSize : end+1])
		}
	}
	return nil
}

// reply sends a message.
func (in *incoming) reply(m *dns.Msg) {
	if b, err := m.Pack(); err == nil {
		in.write(b)
	}
}

// answer is the reply to the query with the given records, which are in zone file syntax, in the answer section.
func (in *incoming) answer(records ...string) *dns.Msg {
	m := new(dns.Msg).SetReply(in.Msg)
	m.RecursionAvailable = true
	for _, r := range records {
		m.Answer = append(m.Answer, mustRR(r))
	}
	if o := in.IsEdns0(); o != nil {
		m.SetEdns0(1232, o.Do())
	}
	return m
}

// deny is the reply with an rcode and the records in the authority section.
func (in *incoming) deny(code int, authority ...string) *dns.Msg {
	m := in.answer()
	m.Rcode = code
	for _, r := range authority {
		m.Ns = append(m.Ns, mustRR(r))
	}
	return m
}

// address is the reply with one A record for the name that was asked for.
func (in *incoming) address(a string) *dns.Msg {
	return in.answer(in.Question[0].Name + " 300 A " + a)
}

// mustRR parses a record that is written in a test.
func mustRR(s string) dns.RR {
	rr, err := dns.NewRR(s)
	if err != nil {
		panic(err)
	}
	return rr
}

// count tells how many queries there were for a name over the protocols given; none: over all.
func (u *fakeUpstream) count(qname string, protos ...string) int {
	u.mu.Lock()
	defer u.mu.Unlock()
	n := 0
	for _, in := range u.asked {
		if strings.EqualFold(in.Question[0].Name, dns.Fqdn(qname)) && (len(protos) == 0 || slices.Contains(protos, in.proto)) {
			n++
		}
	}
	return n
}

// queries returns the queries for a name.
func (u *fakeUpstream) queries(qname string) []*incoming {
	u.mu.Lock()
	defer u.mu.Unlock()
	var found []*incoming
	for _, in := range u.asked {
		if strings.EqualFold(in.Question[0].Name, dns.Fqdn(qname)) {
			found = append(found, in)
		}
	}
	return found
}

// silent is an upstream that never answers.
func silent(*incoming) {}

// front starts a notyet before the upstreams, with more of a configuration file.
func front(t testing.TB, extra string, upstreams ...netip.AddrPort) *testbed.Notyet {
	t.Helper()
	return testbed.StartNotyet(t, testbed.NotyetConfig{Binary: notyetBinary, Upstreams: upstreams, Extra: extra})
}
