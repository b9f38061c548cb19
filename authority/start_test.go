package authority

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"
)

func TestWhereDiscoveryBegins(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name         string
		qname        string
		qtype, watch string // "": A, the qname
		want         string // asked at the upstream
		zoneOf       string // "": the qname
	}{
		{name: "registrable domain", qname: "a.www.example.com.", want: "example.com."},
		{name: "two-label suffix", qname: "a.www.example.co.uk.", want: "example.co.uk."},
		{name: "internationalised suffix", qname: "www.xn--85x722f.xn--55qx5d.cn.", want: "xn--85x722f.xn--55qx5d.cn."},
		{name: "suffix of any label", qname: "www.a.b.kawasaki.jp.", want: "a.b.kawasaki.jp."},
		{name: "exception to that", qname: "a.www.city.kawasaki.jp.", want: "city.kawasaki.jp."},
		{name: "private suffix", qname: "www.someone.github.io.", want: "github.io."},
		{name: "long private suffix", qname: "a.bucket.s3.dualstack.us-east-1.amazonaws.com.", want: "amazonaws.com."},
		{name: "private suffix below a two-label suffix", qname: "www.someone.blogspot.co.uk.", want: "blogspot.co.uk."},
		{name: "the registrable domain itself", qname: "example.com.", want: "example.com."},
		{name: "a suffix", qname: "co.uk.", want: "co.uk."},
		{name: "a TLD", qname: "com.", want: "com."},
		{name: "the root", qname: ".", want: "."},
		{name: "unlisted TLD", qname: "a.b.x.lan.", want: "x.lan."},
		{name: "unlisted TLD alone", qname: "lan.", want: "lan."},
		{name: "watch on an unlisted TLD", qname: "a.b.x.lan.", watch: "lan.", want: "lan."},
		{name: "watch below the registrable domain", qname: "a.preview.example.com.", watch: "preview.example.com.", want: "example.com."},
		{name: "target outside the watch", qname: "www.example.net.", watch: "lan.", want: "example.net."},
		{name: "dots inside a label", qname: `www.a\.b.co\.uk.`, want: `a\.b.co\.uk.`},
		{name: "a dot inside the only label", qname: `x\.com.`, want: `x\.com.`},

		{name: "DS of a name", qname: "www.example.com.", qtype: "DS", want: "example.com.", zoneOf: "example.com."},
		{name: "DS of the registrable domain", qname: "example.com.", qtype: "DS", want: "com.", zoneOf: "com."},
		{name: "DS of a TLD", qname: "com.", qtype: "DS", want: ".", zoneOf: "."},
		{name: "DS of the root", qname: ".", qtype: "DS", want: ".", zoneOf: "."},

		{name: "reverse zone", qname: "7.2.0.192.in-addr.arpa.", watch: "2.0.192.in-addr.arpa.", want: "2.0.192.in-addr.arpa."},
		{name: "reverse name", qname: "7.2.0.192.in-addr.arpa.", watch: "7.2.0.192.in-addr.arpa.", want: "2.0.192.in-addr.arpa."},
		{name: "reverse name outside the watch", qname: "7.2.0.192.in-addr.arpa.", watch: "example.com.", want: "2.0.192.in-addr.arpa."},
		{name: "watch on all reverse names", qname: "7.2.0.192.in-addr.arpa.", watch: "arpa.", want: "2.0.192.in-addr.arpa."},
		{name: "reverse zone, IPv6", qname: "1.0.8.b.d.0.1.0.0.2.ip6.arpa.", watch: "8.b.d.0.1.0.0.2.ip6.arpa.", want: "8.b.d.0.1.0.0.2.ip6.arpa."},
		{name: "the tree of reverse zones", qname: "in-addr.arpa.", want: "in-addr.arpa."},
		{name: "DS of a reverse zone", qname: "2.0.192.in-addr.arpa.", qtype: "DS", want: "192.in-addr.arpa.", zoneOf: "0.192.in-addr.arpa."},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := Request{Name: tt.qname, Type: dns.TypeA, Watch: tt.watch}
			if tt.qtype != "" {
				r.Type = dns.StringToType[tt.qtype]
			}
			zoneOf := tt.zoneOf
			if zoneOf == "" {
				zoneOf = tt.qname
			}
			if o, qname := r.origin(); o.qname != tt.want || qname != zoneOf {
				t.Errorf("%s %s under %q: got %s for the zone of %s, want %s for that of %s",
					tt.qname, tt.qtype, tt.watch, o.qname, qname, tt.want, zoneOf)
			}
		})
	}
}

func TestStartWithoutNSIsTheZoneAbove(t *testing.T) {
	inWorld(t, func(w *world) {
		lan := zoneOf(t, "lan.", `
			lan.      300 NS ns.lan.
			ns.lan.   300 A  192.0.2.1
			www.x.lan. 60 A  192.0.2.7`)
		w.serve(authoritative(lan), "192.0.2.1")
		w.upstream(recursive(lan))
		w.want("www.x.lan. A watch=x.lan.", "positive A 192.0.2.7 | have ns.lan", 0)
		w.wantLookups("x.lan. NS", "lan. NS", "lan. SOA", "ns.lan. A", "ns.lan. AAAA")
		// Another name of another start in the same zone.
		w.want("www.y.lan. A watch=y.lan.", "nxdomain | lack ns.lan", 0)
		w.wantLookups("y.lan. NS")
		w.want("www.x.lan. A watch=x.lan.", "positive A 192.0.2.7 | have ns.lan", 0)
		w.want("nothing.y.lan. A watch=y.lan.", "nxdomain | lack ns.lan", 0)
		w.wantLookups()
		w.wantChanges()
	})
}

func TestUpstreamMayNotSendDiscoveryDownOrSideways(t *testing.T) {
	for _, owner := range []string{"x.lan.", "a.x.lan.", "y.lan.", "example.net."} {
		t.Run(owner, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.upstream(func(q *dns.Msg) *dns.Msg {
					m := new(dns.Msg).SetReply(q)
					m.Ns = []dns.RR{rr("%s 60 SOA ns.lan. admin.lan. 1 7200 900 1209600 60", owner)}
					return m
				})
				w.want("a.x.lan. A watch=x.lan.", "servers of x.lan. cannot be asked: the upstream has no NS of x.lan.", 0)
				w.wantLookups("x.lan. NS")
			})
		})
	}
}

// dev is the suffix of shipit.dev and fresh.dev.
func dev(t *testing.T) *zoneData {
	return zoneOf(t, "dev.", `
		dev.           86400 NS ns.dev.
		ns.dev.        86400 A  192.0.2.31
		shipit.dev.    3600 NS ns1.shipit.dev.
		shipit.dev.    3600 NS ns2.shipit.dev.
		ns1.shipit.dev. 300 A  192.0.2.1
		ns2.shipit.dev. 300 A  192.0.2.2`)
}

func TestDeniedDomainStartsAtTheSuffix(t *testing.T) {
	inWorld(t, func(w *world) {
		suffix := dev(t)
		fresh := zoneOf(t, "fresh.dev.", `
			fresh.dev.     300 NS ns.fresh.dev.
			ns.fresh.dev.  300 A  192.0.2.41
			www.fresh.dev. 60  A  192.0.2.7`)
		w.serve(authoritative(suffix), "192.0.2.31")
		w.serve(authoritative(fresh), "192.0.2.41")
		w.upstream(recursive(suffix))
		w.want("www.fresh.dev. A watch=fresh.dev.", "nxdomain | lack ns.dev", 0)
		w.wantLookups("fresh.dev. NS", "dev. NS", "dev. SOA", "ns.dev. A", "ns.dev. AAAA")

		suffix.publish(t, "fresh.dev. 300 NS ns.fresh.dev.\nns.fresh.dev. 300 A 192.0.2.41")
		a := w.want("www.fresh.dev. A watch=fresh.dev.", "positive A 192.0.2.7 | have ns.fresh.dev", 0)
		if a.Zone != "fresh.dev." {
			t.Errorf("got zone %s, want fresh.dev.", a.Zone)
		}
		w.wantLookups()
		w.wantChanges()

		// Another domain that is denied shares the suffix.
		w.want("www.other.dev. A watch=other.dev.", "nxdomain | lack ns.dev", 0)
		w.wantLookups("other.dev. NS")

		// Once the upstream's denial may have expired, its view is compared like that of any other zone.
		w.upstream(recursive(suffix, fresh))
		time.Sleep(time.Hour)
		w.want("www.fresh.dev. A watch=fresh.dev.", "positive A 192.0.2.7 | have ns.fresh.dev", 0)
		time.Sleep(time.Second)
		w.wantLookups("fresh.dev. NS", "fresh.dev. SOA", "ns.fresh.dev. A", "ns.fresh.dev. AAAA")

		// The suffix is no longer what the first one needs, and is found anew for the other.
		w.want("www.other.dev. A watch=other.dev.", "nxdomain | lack ns.dev", 0)
		time.Sleep(time.Second)
		w.want("www.other.dev. A watch=other.dev.", "nxdomain | lack ns.dev", 0)
		w.wantLookups("other.dev. NS", "dev. NS", "dev. SOA", "ns.dev. A", "ns.dev. AAAA")
		for _, q := range w.queries {
			if q.at.Addr().String() == "192.0.2.41" && strings.HasPrefix(q.question, "dev. ") {
				t.Errorf("got %s at a server of fresh.dev.", q.question)
			}
		}
	})
}

func TestZoneFoundByReferralIsComparedWhenDiscoveryBeginsThere(t *testing.T) {
	inWorld(t, func(w *world) {
		suffix := dev(t)
		zone := zoneOf(t, "shipit.dev.", shipit)
		w.serve(authoritative(suffix), "192.0.2.31")
		w.serve(authoritative(zone), "192.0.2.1", "192.0.2.2")
		old := dev(t)
		old.remove("shipit.dev.", dns.TypeNS)
		old.remove("ns1.shipit.dev.", dns.TypeA)
		old.remove("ns2.shipit.dev.", dns.TypeA)
		w.upstream(recursive(old))
		w.wantAll("www.shipit.dev. A", "positive A 192.0.2.7 | have ns1.shipit.dev ns2.shipit.dev", 0)
		w.forgetStarts()
		w.upstream(recursive(suffix, notOurs(t)))
		const why = "ns1.shipit.dev: SOA differs from the upstream's; ns2.shipit.dev: SOA differs from the upstream's"
		w.want("www.shipit.dev. A", "servers of shipit.dev. cannot be asked: "+why, 0)
	})
}

func TestReverseStartLivesByTheDenial(t *testing.T) {
	inWorld(t, func(w *world) {
		zone := zoneOf(t, "192.in-addr.arpa.", "192.in-addr.arpa. 86400 NS ns.example.net.")
		w.serve(authoritative(zone), "192.0.2.31")
		w.upstream(recursive(zone, zoneOf(t, "net.", "ns.example.net. 86400 A 192.0.2.31")))
		const question = "7.2.0.192.in-addr.arpa. PTR watch=2.0.192.in-addr.arpa."
		w.want(question, "nxdomain | lack ns.example.net", 0)
		w.forget()
		time.Sleep(time.Hour - time.Nanosecond) // the SOA's TTL
		w.want(question, "nxdomain | lack ns.example.net", 0)
		w.wantLookups()
		time.Sleep(time.Nanosecond)
		w.want(question, "nxdomain | lack ns.example.net", 0)
		synctest.Wait()
		w.wantLookups("2.0.192.in-addr.arpa. SOA", "192.in-addr.arpa. NS", "192.in-addr.arpa. SOA", "ns.example.net. A", "ns.example.net. AAAA")
	})
}

func TestDomainThatTheUpstreamFiltersIsDegraded(t *testing.T) {
	for _, soa := range []string{"", "rpz.example.net.", "shipit.dev."} {
		t.Run(soa, func(t *testing.T) {
			inWorld(t, func(w *world) {
				suffix, zone := dev(t), zoneOf(t, "shipit.dev.", shipit)
				w.serve(authoritative(suffix), "192.0.2.31")
				w.serve(authoritative(zone), "192.0.2.1", "192.0.2.2")
				w.upstream(func(q *dns.Msg) *dns.Msg {
					if !dns.IsSubDomain("shipit.dev.", q.Question[0].Name) {
						return recursive(suffix)(q)
					}
					m := says(dns.RcodeNameError)(q)
					if soa != "" {
						m.Ns = []dns.RR{rr("%s 60 SOA localhost. root.localhost. 1 7200 900 1209600 60", soa)}
					}
					return m
				})
				w.want("www.shipit.dev. A", "servers of shipit.dev. cannot be asked: the upstream has no NS of shipit.dev.", 0)
				w.wantLookups("shipit.dev. NS")
			})
		})
	}
}

func TestDeniedWatchOnATopLevelDomainIsDegraded(t *testing.T) {
	inWorld(t, func(w *world) {
		root := zoneOf(t, ".", "")
		w.upstream(recursive(root))
		w.want("www.x.lan. A watch=lan.", "servers of lan. cannot be asked: the upstream has no NS of lan.", 0)
		w.wantLookups("lan. NS")
	})
}

func TestReverseZones(t *testing.T) {
	// The zone 192.in-addr.arpa. refers to 2.0.192.in-addr.arpa.; 0.192.in-addr.arpa. is an empty non-terminal.
	upper := `
		192.in-addr.arpa.     300 NS ns.example.net.
		2.0.192.in-addr.arpa. 300 NS ns.example.com.`
	lower := `
		2.0.192.in-addr.arpa.     300 NS  ns.example.com.
		7.2.0.192.in-addr.arpa.   300 PTR www.example.com.
		1.8.2.0.192.in-addr.arpa. 300 PTR mail.example.com.`
	addresses := []string{"ns.example.com. A", "ns.example.com. AAAA"}
	tests := []struct {
		name, question, want string
		lookups              []string
		alone                bool // the upstream has only the upper zone
	}{
		{
			name: "zone", question: "7.2.0.192.in-addr.arpa. PTR watch=2.0.192.in-addr.arpa.", want: "positive PTR www.example.com. | have ns.example.com",
			lookups: []string{"2.0.192.in-addr.arpa. SOA", "2.0.192.in-addr.arpa. NS", "2.0.192.in-addr.arpa. SOA"},
		},
		{
			name: "one name", question: "7.2.0.192.in-addr.arpa. PTR watch=7.2.0.192.in-addr.arpa.", want: "positive PTR www.example.com. | have ns.example.com",
			lookups: []string{"2.0.192.in-addr.arpa. SOA", "2.0.192.in-addr.arpa. NS", "2.0.192.in-addr.arpa. SOA"},
		},
		{
			name: "below an empty non-terminal", question: "1.8.2.0.192.in-addr.arpa. PTR watch=8.2.0.192.in-addr.arpa.", want: "positive PTR mail.example.com. | have ns.example.com",
			lookups: []string{"8.2.0.192.in-addr.arpa. SOA", "2.0.192.in-addr.arpa. NS", "2.0.192.in-addr.arpa. SOA"},
		},
		{
			name: "below what is denied", question: "1.9.2.0.192.in-addr.arpa. PTR watch=9.2.0.192.in-addr.arpa.", want: "nxdomain | lack ns.example.com",
			lookups: []string{"9.2.0.192.in-addr.arpa. SOA", "2.0.192.in-addr.arpa. NS", "2.0.192.in-addr.arpa. SOA"},
		},
		{
			name: "delegated a minute ago", question: "7.2.0.192.in-addr.arpa. PTR watch=2.0.192.in-addr.arpa.", want: "positive PTR www.example.com. | have ns.example.com",
			lookups: []string{"2.0.192.in-addr.arpa. SOA", "192.in-addr.arpa. NS", "192.in-addr.arpa. SOA", "ns.example.net. A", "ns.example.net. AAAA"},
			alone:   true,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				names := zoneOf(t, "com.", "ns.example.com. 300 A 192.0.2.1")
				more := zoneOf(t, "net.", "ns.example.net. 300 A 192.0.2.31")
				u, l := zoneOf(t, "192.in-addr.arpa.", upper), zoneOf(t, "2.0.192.in-addr.arpa.", lower)
				w.serve(authoritative(u), "192.0.2.31")
				w.serve(authoritative(l), "192.0.2.1")
				w.upstream(recursive(names, more, u, l))
				if tt.alone {
					old := zoneOf(t, "192.in-addr.arpa.", upper)
					old.remove("2.0.192.in-addr.arpa.", dns.TypeNS)
					w.upstream(recursive(names, more, old))
				}
				w.want(tt.question, tt.want, 0)
				w.wantLookups(append(tt.lookups, addresses...)...)
			})
		})
	}
}

func TestReverseZoneThatTheUpstreamDoesNotHaveIsDegraded(t *testing.T) {
	inWorld(t, func(w *world) {
		w.upstream(says(dns.RcodeNameError))
		w.want("7.2.0.192.in-addr.arpa. PTR watch=2.0.192.in-addr.arpa.",
			"servers of 2.0.192.in-addr.arpa. cannot be asked: the upstream has no SOA above 2.0.192.in-addr.arpa.", 0)
		w.wantLookups("2.0.192.in-addr.arpa. SOA")
	})
}

// The servers of the suffix have to be asked for the DS, although discovery for all else begins below them.
func TestDSIsAskedAtTheParent(t *testing.T) {
	inWorld(t, func(w *world) {
		suffix := dev(t)
		suffix.publish(t, "shipit.dev. 300 DS 1 13 2 "+digestHex)
		child := zoneOf(t, "preview.shipit.dev.", "preview.shipit.dev. 300 NS ns.preview.shipit.dev.\nns.preview.shipit.dev. 300 A 192.0.2.11")
		zone := zoneOf(t, "shipit.dev.", shipit+`
			preview.shipit.dev.    300 NS ns.preview.shipit.dev.
			preview.shipit.dev.    300 DS 2 13 2 `+digestHex+`
			ns.preview.shipit.dev. 300 A  192.0.2.11`)
		w.serve(authoritative(suffix), "192.0.2.31")
		w.serve(authoritative(zone), "192.0.2.1", "192.0.2.2")
		w.serve(authoritative(child), "192.0.2.11")
		w.upstream(recursive(suffix, zone, child))

		w.want("preview.shipit.dev. NS", "positive NS ns.preview.shipit.dev. | have ns.preview.shipit.dev", 0)
		w.wantAll("preview.shipit.dev. DS", "positive DS 2 13 2 "+digestHex+" | have ns1.shipit.dev ns2.shipit.dev", 0)
		w.wantAll("shipit.dev. DS", "positive DS 1 13 2 "+digestHex+" | have ns.dev", 0)
		w.wantAll("www.shipit.dev. DS", "nodata | lack ns1.shipit.dev ns2.shipit.dev", 0)
	})
}

const digestHex = "2BB183AF5F22588179A53B0A98631FAD1A292118E1FFE7B8B9E0B1F5D3F4C5A1"
