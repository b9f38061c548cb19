package server

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"

	"notyet/cache"
	"notyet/resolver"
	"notyet/wire"
)

// records is what the fake upstream has.
var records = []string{
	"example.com. 3600 IN SOA ns.example.com. host.example.com. 1 900 300 604800 3600",
	"www.example.com. 300 IN A 192.0.2.1",
	"www.example.com. 300 IN TXT \"www\"",
	"alias.example.com. 300 IN CNAME www.example.com.",
	"medium.example.com. 300 IN TXT " + strings.Repeat(strconv.Quote(strings.Repeat("x", 255))+" ", 2),
	"big.example.com. 300 IN TXT " + strings.Repeat(strconv.Quote(strings.Repeat("x", 255))+" ", 6),
}

// upstream stands in for the resolver: it answers from records, and keeps the answers in the cache as a resolver does.
type upstream struct {
	cache   *cache.Cache
	watched *cache.Watched // how names under watch are kept, which all are; nil: none is

	mu    sync.Mutex
	asked []string // questions, in the order in which they came
}

// resolve answers at once, in the goroutine of whoever asks.
func (u *upstream) resolve(q *resolver.Query) {
	u.mu.Lock()
	u.asked = append(u.asked, question(q))
	u.mu.Unlock()
	q.Done(u.answer(q.Key))
}

// exchanges is how often the upstream was asked, for what.
func (u *upstream) exchanges() []string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return append([]string(nil), u.asked...)
}

// question renders what the resolver was asked: "www.example.com. A rd do cd".
func question(q *resolver.Query) string {
	text := wire.String(q.Key.Name) + " " + dns.Type(q.Key.Type).String()
	for _, flag := range []struct {
		name string
		set  bool
	}{{"rd", q.RD}, {"do", q.Key.DO}, {"cd", q.Key.CD}} {
		if flag.set {
			text += " " + flag.name
		}
	}
	return text
}

// answer makes the entry for a question. Names below any.example.com all have an A record; any other name that is
// not in records does not exist.
func (u *upstream) answer(k cache.Key) *cache.Entry { return u.answerAt(k, time.Now()) }

func (u *upstream) answerAt(k cache.Key, now time.Time) *cache.Entry {
	m := &dns.Msg{}
	m.SetQuestion(wire.String(k.Name), k.Type)
	m.Response, m.RecursionAvailable = true, true
	m.AuthenticatedData, m.Compress = true, true
	m.Rcode = dns.RcodeNameError
	qname := m.Question[0].Name
	if strings.HasSuffix(qname, ".any.example.com.") {
		m.Answer = append(m.Answer, rr(qname+" 300 IN A 192.0.2.7"))
	}
	for _, text := range records {
		if r := rr(text); r.Header().Name == qname {
			m.Rcode = dns.RcodeSuccess
			if r.Header().Rrtype == k.Type {
				m.Answer = append(m.Answer, r)
			}
		}
	}
	if len(m.Answer) == 0 {
		m.Ns = append(m.Ns, rr(records[0]))
	} else {
		m.Rcode = dns.RcodeSuccess
	}
	return put(u.cache, k, m, u.watched, now)
}

func rr(text string) dns.RR {
	r, err := dns.NewRR(text)
	if err != nil {
		panic(text + ": " + err.Error())
	}
	return r
}

// put keeps a message that came at now in the cache, under watch unless watched is nil.
func put(c *cache.Cache, k cache.Key, m *dns.Msg, watched *cache.Watched, now time.Time) *cache.Entry {
	b, err := m.Pack()
	if err != nil {
		panic(err)
	}
	var r wire.Reply
	if err := wire.ParseReply(b, k.Name, k.Type, &r); err != nil {
		panic(err)
	}
	if watched != nil {
		return c.PutWatched(k, &r, *watched, now)
	}
	return c.Put(k, &r, now)
}

// putSized puts an answer of size bytes for sized.example.com TYPE65400 into the cache and returns it.
func (u *upstream) putSized(size int) []byte {
	m := query("sized.example.com. TYPE65400")
	m.Response, m.RecursionAvailable, m.Compress = true, true, true
	record := &dns.RFC3597{Hdr: dns.RR_Header{Name: "sized.example.com.", Rrtype: 65400, Class: dns.ClassINET, Ttl: 300}}
	m.Answer = []dns.RR{record}
	record.Rdata = strings.Repeat("5a", size-m.Len())
	k := u.key("sized.example.com.", 65400)
	put(u.cache, k, m, nil, time.Now())
	b, err := m.Pack()
	if err != nil || len(b) != size {
		panic(fmt.Sprintf("got %d bytes, %v, want %d", len(b), err, size))
	}
	return b
}

// key is that of a question without DO and CD.
func (u *upstream) key(qname string, qtype uint16) cache.Key {
	name, err := wire.Name(qname)
	if err != nil {
		panic(err)
	}
	return u.cache.Key(nil, name, qtype, false, false)
}
