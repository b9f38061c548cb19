package main

import (
	"net"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"
	"github.com/rogpeppe/go-internal/testscript"
)

// fakeAuthority is a name server of example.com, and a resolver of example.net. Names are what their first label says.
type fakeAuthority struct {
	mu   sync.Mutex
	seen map[string]time.Time // qname → when it was first asked for
}

// soon is how long after a question names come to be, or cease to, that do so.
const soon = 500 * time.Millisecond

// withAuthority gives a script the address of one in AUTHORITY.
func withAuthority(env *testscript.Env) error {
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	f := &fakeAuthority{seen: make(map[string]time.Time)}
	done := make(chan struct{})
	server := &dns.Server{PacketConn: pc, Handler: dns.HandlerFunc(f.serve)}
	go func() {
		defer close(done)
		server.ActivateAndServe()
	}()
	env.Defer(func() {
		pc.Close() // also when it has not begun to serve
		<-done
	})
	env.Setenv("AUTHORITY", pc.LocalAddr().String())
	return nil
}

func (f *fakeAuthority) serve(w dns.ResponseWriter, q *dns.Msg) {
	qname, qtype := strings.ToLower(q.Question[0].Name), q.Question[0].Qtype
	f.mu.Lock()
	if f.seen[qname].IsZero() {
		f.seen[qname] = time.Now()
	}
	age := time.Since(f.seen[qname])
	f.mu.Unlock()
	m := new(dns.Msg).SetReply(q)
	m.Authoritative = true
	label, _, _ := strings.Cut(qname, ".")
	there := label == "there" || strings.HasSuffix(qname, ".wild.example.com.") ||
		label == "soon" && age > soon || label == "ending" && age <= soon
	switch record := func(data string) dns.RR { rr, _ := dns.NewRR(qname + " 60 IN " + data); return rr }; {
	case strings.HasSuffix(qname, "example.net."): // as a resolver has it
		m.Authoritative, m.RecursionAvailable = false, true
		m.Answer = []dns.RR{record("A 192.0.2.7")}
	case label == "refused":
		m.Rcode = dns.RcodeRefused
	case qname == "example.com." && qtype == dns.TypeSOA:
		m.Answer = []dns.RR{record(soa)}
	case there && qtype == dns.TypeA:
		m.Answer = []dns.RR{record("A 192.0.2.7")}
	case there && qtype == dns.TypeTXT:
		m.Answer = []dns.RR{record(`TXT "hello there"`)}
	case label == "alias":
		m.Answer = []dns.RR{record("CNAME there.example.net.")}
	default:
		if !there {
			m.Rcode = dns.RcodeNameError
		}
		rr, _ := dns.NewRR("example.com. 60 IN " + soa)
		m.Ns = []dns.RR{rr}
	}
	w.WriteMsg(m)
}

const soa = "SOA ns1.example.com. hostmaster.example.com. 1 3600 600 86400 60"
