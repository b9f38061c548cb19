package upstream

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"log/slog"
	"net/netip"
	"sync"

	"github.com/miekg/dns"

	"notyet/wire"
)

// Lengths in bytes (RFC 7873, section 4).
const (
	clientCookieLen = 8
	minServerCookie = 8
	maxServerCookie = 32
	maxCookie       = clientCookieLen + maxServerCookie
)

// maxCookieless is how many replies in a row may lack a cookie before an upstream is taken to have none.
const maxCookieless = 3

// clientCookie is our part of a cookie: 64 bits that a forger has to guess beside the rest.
type clientCookie [clientCookieLen]byte

// jar has the cookies of one upstream (RFC 7873).
type jar struct {
	log    *slog.Logger
	secret [16]byte // what the client cookies are made of

	mu         sync.Mutex // guards all below
	client     clientCookie
	server     [maxServerCookie]byte // that it gave for the client cookie
	length     int                   // of the server cookie; 0: it has not given one
	cookieless int                   // replies in a row
}

// bake makes the client cookie for queries from an address of ours. Each address and each upstream has another, so that nobody can
// follow us by it from network to network (RFC 9018, section 3).
func (j *jar) bake(local netip.Addr) (c clientCookie) {
	address := local.As16()
	sum := sha256.Sum256(append(j.secret[:len(j.secret):len(j.secret)], address[:]...))
	copy(c[:], sum[:])
	return c
}

func (j *jar) init() { rand.Read(j.secret[:]) } // never fails

// appendTo appends the cookie to a query that wire.AppendQuery made.
func (j *jar) appendTo(query []byte, client clientCookie) []byte {
	var cookie [maxCookie]byte
	copy(cookie[:], client[:])
	n := clientCookieLen
	j.mu.Lock()
	if j.client == client {
		n += copy(cookie[n:], j.server[:j.length])
	}
	j.mu.Unlock()
	return wire.AddOption(query, dns.EDNS0COOKIE, cookie[:n])
}

// saw takes the cookie of a reply to a query that had the client cookie, nil if the reply has none. The reply is not believed when
// the upstream gives cookies and this one is missing. Without use is a cookie of ours to an upstream that gives none, or no more.
func (j *jar) saw(client clientCookie, cookie []byte) (believed, useless bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if n := len(cookie) - clientCookieLen; n >= minServerCookie && n <= maxServerCookie {
		j.client, j.length, j.cookieless = client, n, 0
		copy(j.server[:], cookie[clientCookieLen:])
		return true, false
	}
	// One with our part only says nothing: there are servers that send all options back.
	believed = j.length == 0
	if j.cookieless++; j.cookieless < maxCookieless {
		return believed, false
	}
	j.length, j.cookieless = 0, 0
	if !believed {
		j.log.Info("upstream gives no DNS cookies any more")
	}
	return believed, true
}

// forged reports whether a reply has the cookie of another query than ours.
func forged(cookie []byte, client clientCookie) bool {
	return cookie != nil && !bytes.HasPrefix(cookie, client[:])
}

// believes reports whether the cookie of a reply to a query that had one speaks for it.
func (u *Upstream) believes(cookie []byte, client clientCookie) bool {
	believed, useless := u.habits.cookies.saw(client, cookie)
	if useless {
		u.habits.edns.lower(extended)
	}
	return believed
}

// rebake asks again with the cookie that came with BADCOOKIE, and when that doesn't help over TCP (RFC 7873, section 5.3).
func (u *Upstream) rebake(x *Exchange) {
	if x.baked {
		u.askTCP(x)
		return
	}
	x.baked = true
	u.askUDP(x)
}
