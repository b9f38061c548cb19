package authority

import (
	"testing"

	"github.com/miekg/dns"

	"notyet/wire"
)

// FuzzOrigin asks for any name that may come over the wire.
func FuzzOrigin(f *testing.F) {
	for _, name := range []string{".", "com.", "www.example.co.uk.", "a.s3.dualstack.us-east-1.amazonaws.com.", `x\.com.`, "1.2.3.4.", "7.2.0.192.in-addr.arpa.", "8.b.d.0.1.0.0.2.ip6.arpa."} {
		b := make([]byte, wire.MaxName)
		n, err := dns.PackDomainName(name, b, 0, nil, false)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b[:n], dns.TypeA, 1)
		f.Add(b[:n], dns.TypeDS, 0)
	}
	f.Fuzz(func(t *testing.T, b []byte, qtype uint16, watch int) {
		name, _, err := dns.UnpackDomainName(b, 0)
		if err != nil {
			return
		}
		r := Request{Name: dns.CanonicalName(name), Type: qtype}
		if labels := dns.CountLabel(r.Name); labels > 0 && watch >= 0 {
			r.Watch = last(r.Name, 1+watch%labels)
		}
		o, qname := r.origin()
		if !dns.IsSubDomain(o.qname, qname) || !dns.IsSubDomain(qname, r.Name) {
			t.Errorf("%s %d under %q: got %s for the zone of %s, want both above the name", r.Name, qtype, r.Watch, o.qname, qname)
		}
	})
}

// FuzzDigest gives what a server may send to what judges it.
func FuzzDigest(f *testing.F) {
	seeds := []*dns.Msg{
		replyTo("www.shipit.dev.", "A", "aa", "www.shipit.dev. 60 A 192.0.2.7", "", "ns.example.net. 60 A 192.0.2.1"),
		replyTo("www.shipit.dev.", "A", "aa nxdomain", "www.shipit.dev. 60 CNAME a.shipit.dev.", "shipit.dev. 60 SOA . . 1 1 1 1 1", ""),
		replyTo("www.shipit.dev.", "A", "aa", "shipit.dev. 60 DNAME example.com.\nwww.shipit.dev. 60 CNAME www.example.com.", "", ""),
		replyTo("www.shipit.dev.", "A", "", "", "www.shipit.dev. 60 NS ns.www.shipit.dev.\nwww.shipit.dev. 60 NS .", "ns.www.shipit.dev. 60 A 192.0.2.1\nns.www.shipit.dev. 60 AAAA 2001:db8::1"),
		replyTo("www.shipit.dev.", "A", "aa", "", "www.shipit.dev. 60 SOA . . 1 1 1 1 1", ""),
		replyTo("www.shipit.dev.", "SOA", "aa", "www.shipit.dev. 60 SOA . . 1 1 1 1 1", "", ""),
	}
	for _, m := range seeds {
		m.SetEdns0(wire.UDPSize, true)
		b, err := m.Pack()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, m.Question[0].Qtype)
	}
	f.Fuzz(func(t *testing.T, b []byte, qtype uint16) {
		const apex, qname = "shipit.dev.", "www.shipit.dev."
		m := new(dns.Msg)
		if m.Unpack(b) != nil {
			return
		}
		aa := m.Authoritative
		v := digest(m, apex, qname, qtype)
		_ = v.label()
		if v.cut != nil {
			if !below(v.cut.apex, apex) || !dns.IsSubDomain(v.cut.apex, qname) || len(v.cut.names) > maxServers {
				t.Errorf("got a cut at %s with %d servers", v.cut.apex, len(v.cut.names))
			}
			for name := range v.cut.glue {
				if !dns.IsSubDomain(v.cut.apex, name) {
					t.Errorf("got glue for %s below %s", name, v.cut.apex)
				}
			}
		}
		if v.kind == wire.Failure || v.kind == wire.Referral {
			if v.msg != nil {
				t.Errorf("got a message with %s", v.kind)
			}
			return
		}
		if !aa {
			t.Errorf("got %s of a server without authority", v.kind)
		}
		for _, section := range [][]dns.RR{v.msg.Answer, v.msg.Ns, v.msg.Extra} {
			for _, rr := range section {
				h := rr.Header()
				if !dns.IsSubDomain(apex, h.Name) || h.Name != dns.CanonicalName(h.Name) || h.Class != dns.ClassINET || h.Rrtype == dns.TypeOPT {
					t.Errorf("got %v", rr)
				}
			}
		}
		if v.kind == wire.Positive && v.target == "" && len(v.msg.Answer) == 0 {
			t.Error("got a positive answer without records")
		}
		if v.kind == wire.NXDOMAIN && v.msg.Rcode != dns.RcodeNameError || v.kind != wire.NXDOMAIN && v.msg.Rcode != dns.RcodeSuccess {
			t.Errorf("got %s with rcode %d", v.kind, v.msg.Rcode)
		}
	})
}
