package authority

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/miekg/dns"
	"golang.org/x/net/publicsuffix"
)

// origin says where discovery begins.
type origin struct {
	qname   string // whose NS the upstream is asked for
	reverse bool   // whose SOA the upstream is asked for: discovery begins at the zone that it is in
	watch   string
	servers []netip.AddrPort // given for qname; nothing is asked at the upstream
}

// key is what the zone is known by that discovery begins in, unless it turns out to be another one.
func (o *origin) key() key {
	if len(o.servers) == 0 {
		return key{name: o.qname}
	}
	return key{o.qname, fmt.Sprint(o.servers)}
}

// origin returns where discovery begins, and the name whose zone is to be found: a DS record is in the zone above the
// cut (RFC 4035, section 2.4).
func (r *Request) origin() (o origin, qname string) {
	o.watch, qname = r.Watch, r.Name
	if r.Type == dns.TypeDS {
		qname = parent(qname)
	}
	watched := o.watch != "" && dns.IsSubDomain(o.watch, qname)
	if watched && len(r.Servers) > 0 {
		o.qname, o.servers = o.watch, r.Servers
		return o, qname
	}
	if tree := reverseTree(qname); tree != "" {
		// Not the name itself, for the upstream is not to be told that it is missing.
		o.qname, o.reverse = parent(qname), true
		if watched && o.watch != qname && dns.IsSubDomain(tree, o.watch) {
			o.qname = o.watch
		}
		return o, qname
	}
	o.qname = Registrable(qname)
	if watched && below(o.qname, o.watch) {
		o.qname = o.watch
	}
	return o, qname
}

// reverseTree is the domain of reverse zones that the name is below, or "".
func reverseTree(qname string) string {
	for _, tree := range []string{"in-addr.arpa.", "ip6.arpa."} {
		if below(qname, tree) {
			return tree
		}
	}
	return ""
}

// Registrable is the name's ICANN suffix and one label more, or the suffix if it is one.
func Registrable(qname string) string { return last(qname, dns.CountLabel(Suffix(qname))+1) }

// Suffix is the name's ICANN suffix; the last label where none is listed.
func Suffix(qname string) string {
	for s := strings.TrimSuffix(qname, "."); ; {
		suffix, _ := publicsuffix.PublicSuffix(s)
		// Asked of the suffix alone: labels of the name that lead on towards longer rules spoil what it says.
		_, icann := publicsuffix.PublicSuffix(suffix)
		_, rest, more := strings.Cut(suffix, ".")
		if icann || !more {
			return last(qname, 1+strings.Count(suffix, "."))
		}
		s = rest // a private suffix; the ICANN one is shorter
	}
}

// last is the name's last n labels, at least one, or the whole name if it has not as many.
func last(qname string, n int) string {
	labels := dns.Split(qname)
	if n >= len(labels) {
		return qname
	}
	return qname[labels[len(labels)-n]:]
}

// parent is the name without its first label; of the root, the root.
func parent(qname string) string {
	i, end := dns.NextLabel(qname, 0)
	if end {
		return "."
	}
	return qname[i:]
}

// below reports whether the name is in the domain and not its apex.
func below(qname, domain string) bool { return qname != domain && dns.IsSubDomain(domain, qname) }

// Start is the name that discovery begins at when nothing is known: of it and of the names of name servers the upstream is
// asked, and of what is above if it has no such zone. With Servers nothing is asked there.
func (r *Request) Start() string {
	o, _ := r.origin()
	return o.qname
}
