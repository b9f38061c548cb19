package authority

import (
	"strings"
	"testing"

	"github.com/miekg/dns"

	"notyet/wire"
)

// replyTo is a reply as servers give it. Flags are as in "aa nxdomain".
func replyTo(qname, qtype, flags, answer, authority, additional string) *dns.Msg {
	m := new(dns.Msg).SetQuestion(qname, dns.StringToType[qtype])
	m.Response = true
	m.Answer, m.Ns, m.Extra = rrs(answer), rrs(authority), rrs(additional)
	for _, flag := range strings.Fields(flags) {
		switch flag {
		case "aa":
			m.Authoritative = true
		case "ad":
			m.AuthenticatedData = true
		default:
			m.Rcode = dns.StringToRcode[strings.ToUpper(flag)]
		}
	}
	return m
}

// text writes a verdict as in "positive A 192.0.2.7 -> target / authority / additional cut ...".
func (v *verdict) text(qname string) string {
	s := v.kind.String()
	if v.msg != nil {
		for i, section := range [][]dns.RR{v.msg.Answer, v.msg.Ns, v.msg.Extra} {
			if i > 0 && len(section) > 0 {
				s += " /"
			}
			for _, rr := range section {
				s += " " + recordText(rr, qname)
			}
		}
	}
	if v.target != "" {
		s += " -> " + v.target
	}
	if v.cut != nil {
		s += " cut " + v.cut.apex + " " + strings.Join(v.cut.names, " ")
	}
	return strings.TrimSpace(s)
}

func TestWhatAReplyIsWorth(t *testing.T) {
	t.Parallel()
	const (
		soa     = "shipit.dev. 60 SOA ns1.shipit.dev. admin.example.net. 1 7200 900 1209600 60"
		soaText = "shipit.dev. SOA ns1.shipit.dev. admin.example.net. 1 7200 900 1209600 60"
		rrsig   = " 13 3 60 20300101000000 20200101000000 1 shipit.dev. AAAA"
	)
	deeper := strings.ReplaceAll(soa, "shipit.dev. 60", "preview.shipit.dev. 60")
	deeperText := strings.ReplaceAll(soaText, "shipit.dev. SOA", "preview.shipit.dev. SOA")
	tests := []struct {
		name                                 string
		question                             string // "": www.shipit.dev. A
		flags, answer, authority, additional string
		want                                 string
	}{
		// Answers.
		{name: "positive", flags: "aa", answer: "www.shipit.dev. 60 A 192.0.2.7\nwww.shipit.dev. 60 A 192.0.2.8", want: "positive A 192.0.2.7 A 192.0.2.8"},
		{name: "in another spelling", flags: "aa", answer: "WWW.ShipIt.dev. 60 A 192.0.2.7", want: "positive A 192.0.2.7"},
		{name: "NODATA", flags: "aa", authority: soa, want: "nodata / " + soaText},
		{name: "NXDOMAIN", flags: "aa nxdomain", authority: soa, want: "nxdomain / " + soaText},
		{name: "NODATA without SOA", flags: "aa", want: "nodata"},
		{name: "NXDOMAIN without SOA", flags: "aa nxdomain", want: "nxdomain"},
		{name: "NODATA with the zone's NS", flags: "aa", authority: "shipit.dev. 300 NS ns1.shipit.dev.", want: "nodata / shipit.dev. NS ns1.shipit.dev."},
		{name: "an answer although the name does not exist", flags: "aa nxdomain", answer: "www.shipit.dev. 60 A 192.0.2.7", want: "positive A 192.0.2.7"},
		{
			name: "signed", flags: "aa ad", answer: "www.shipit.dev. 60 A 192.0.2.7\nwww.shipit.dev. 60 RRSIG A" + rrsig,
			additional: "ns1.shipit.dev. 60 A 192.0.2.1\nns.example.net. 60 A 192.0.2.2",
			want:       "positive A 192.0.2.7 RRSIG A" + rrsig + " / ns1.shipit.dev. A 192.0.2.1",
		},
		{
			name: "wildcard", flags: "aa", answer: "www.shipit.dev. 60 A 192.0.2.7", authority: "*.shipit.dev. 60 NSEC z.shipit.dev. A",
			want: "positive A 192.0.2.7 / *.shipit.dev. NSEC z.shipit.dev. A",
		},

		// Lame.
		{name: "without authority", answer: "www.shipit.dev. 60 A 192.0.2.7", want: "failure"},
		{name: "denial without authority", flags: "nxdomain", authority: soa, want: "failure"},
		{name: "REFUSED", flags: "refused", want: "failure"},
		{name: "REFUSED with authority", flags: "aa refused", want: "failure"},
		{name: "SERVFAIL", flags: "aa servfail", want: "failure"},
		{name: "denied by the zone above", flags: "aa nxdomain", authority: "dev. 60 SOA ns.dev. admin.dev. 1 1 1 1 1", want: "failure"},
		{name: "denied by the root", flags: "aa nxdomain", authority: ". 60 SOA ns.dev. admin.dev. 1 1 1 1 1", want: "failure"},
		{name: "denied by another zone", flags: "aa nxdomain", authority: "example.com. 60 SOA ns.dev. admin.dev. 1 1 1 1 1", want: "failure"},
		{name: "denied by a zone beside", flags: "aa nxdomain", authority: deeper, want: "failure"},

		// Records that don't belong.
		{
			name: "outside the zone", flags: "aa", answer: "www.shipit.dev. 60 A 192.0.2.7\nwww.example.com. 60 A 192.0.2.66\ndev. 60 A 192.0.2.66",
			authority: "dev. 60 NS ns.evil.example.", additional: "ns.evil.example. 60 A 192.0.2.66", want: "positive A 192.0.2.7",
		},
		{name: "only outside the zone", flags: "aa", answer: "www.example.com. 60 A 192.0.2.66", want: "nodata"},
		{name: "of another name", flags: "aa", answer: "www.shipit.dev. 60 A 192.0.2.7\nother.shipit.dev. 60 A 192.0.2.66", want: "positive A 192.0.2.7"},
		{name: "of another type", flags: "aa", answer: "www.shipit.dev. 60 TXT x\nwww.shipit.dev. 60 A 192.0.2.7", want: "positive A 192.0.2.7"},
		{name: "of another class", flags: "aa", answer: "www.shipit.dev. 60 CH A 192.0.2.7", want: "nodata"},

		// Chains.
		{
			name: "CNAME in the zone", flags: "aa", answer: "www.shipit.dev. 60 CNAME Web.shipit.dev.\nweb.shipit.dev. 60 A 192.0.2.7",
			want: "positive CNAME Web.shipit.dev. web.shipit.dev. A 192.0.2.7",
		},
		{
			name: "chain in any order", flags: "aa", answer: "web.shipit.dev. 60 A 192.0.2.7\nw.shipit.dev. 60 CNAME web.shipit.dev.\nwww.shipit.dev. 60 CNAME w.shipit.dev.",
			want: "positive CNAME w.shipit.dev. w.shipit.dev. CNAME web.shipit.dev. web.shipit.dev. A 192.0.2.7",
		},
		{name: "the CNAME itself", question: "www.shipit.dev. CNAME", flags: "aa", answer: "www.shipit.dev. 60 CNAME web.shipit.dev.", want: "positive CNAME web.shipit.dev."},
		{
			name: "CNAME to a name that does not exist", flags: "aa nxdomain", answer: "www.shipit.dev. 60 CNAME web.shipit.dev.", authority: soa,
			want: "nxdomain CNAME web.shipit.dev. / " + soaText,
		},
		{
			name: "CNAME to a name without the type", flags: "aa", answer: "www.shipit.dev. 60 CNAME web.shipit.dev.", authority: soa,
			want: "nodata CNAME web.shipit.dev. / " + soaText,
		},
		{name: "CNAME out of the zone", flags: "aa", answer: "www.shipit.dev. 60 CNAME www.example.com.", want: "positive CNAME www.example.com. -> www.example.com."},
		{
			name: "CNAME out of the zone, with what the server has there", flags: "aa",
			answer: "www.shipit.dev. 60 CNAME www.example.com.\nwww.example.com. 60 A 192.0.2.66",
			want:   "positive CNAME www.example.com. -> www.example.com.",
		},
		{
			name: "CNAME out of the zone to what the server denies", flags: "aa nxdomain", answer: "www.shipit.dev. 60 CNAME www.example.com.",
			authority: "example.com. 60 SOA ns.dev. admin.dev. 1 1 1 1 1\n" + soa, additional: "ns1.shipit.dev. 60 A 192.0.2.1",
			want: "positive CNAME www.example.com. -> www.example.com.",
		},
		{
			name: "CNAME from a wildcard out of the zone", flags: "aa", answer: "www.shipit.dev. 60 CNAME www.example.com.\nwww.shipit.dev. 60 RRSIG CNAME" + rrsig,
			authority: "*.shipit.dev. 60 NSEC z.shipit.dev. CNAME\n*.shipit.dev. 60 RRSIG NSEC" + rrsig + "\nshipit.dev. 60 RRSIG SOA" + rrsig,
			want: "positive CNAME www.example.com. RRSIG CNAME" + rrsig + " / *.shipit.dev. NSEC z.shipit.dev. CNAME *.shipit.dev. RRSIG NSEC" + rrsig +
				" -> www.example.com.",
		},
		{
			name: "CNAME into a delegated zone", flags: "aa", answer: "www.shipit.dev. 60 CNAME www.preview.shipit.dev.",
			authority: "preview.shipit.dev. 60 NS ns.preview.shipit.dev.", additional: "ns.preview.shipit.dev. 60 A 192.0.2.11",
			want: "positive CNAME www.preview.shipit.dev. -> www.preview.shipit.dev.",
		},
		{
			name: "CNAME into a deeper zone on the same server", flags: "aa nxdomain", answer: "www.shipit.dev. 60 CNAME www.preview.shipit.dev.",
			authority: deeper, want: "positive CNAME www.preview.shipit.dev. -> www.preview.shipit.dev.",
		},
		{name: "CNAME that is not followed", flags: "aa", answer: "www.shipit.dev. 60 CNAME web.shipit.dev.", want: "positive CNAME web.shipit.dev. -> web.shipit.dev."},
		{
			name: "CNAME denied without SOA", flags: "aa nxdomain", answer: "www.shipit.dev. 60 CNAME web.shipit.dev.",
			want: "nxdomain CNAME web.shipit.dev.",
		},
		{
			name: "CNAME to itself", flags: "aa", answer: "www.shipit.dev. 60 CNAME www.shipit.dev.", want: "nodata CNAME www.shipit.dev.",
		},
		{
			name: "a loop of CNAMEs", flags: "aa", answer: "www.shipit.dev. 60 CNAME w.shipit.dev.\nw.shipit.dev. 60 CNAME www.shipit.dev.",
			want: "nodata CNAME w.shipit.dev. w.shipit.dev. CNAME www.shipit.dev.",
		},
		{
			name: "DNAME", question: "www.old.shipit.dev. A", flags: "aa",
			answer: "old.shipit.dev. 60 DNAME new.shipit.dev.\nold.shipit.dev. 60 RRSIG DNAME" + rrsig + "\nwww.old.shipit.dev. 60 CNAME www.new.shipit.dev.\nwww.new.shipit.dev. 60 A 192.0.2.7",
			want: "positive old.shipit.dev. DNAME new.shipit.dev. old.shipit.dev. RRSIG DNAME" + rrsig +
				" CNAME www.new.shipit.dev. www.new.shipit.dev. A 192.0.2.7",
		},
		{
			name: "DNAME out of the zone", question: "www.old.shipit.dev. A", flags: "aa",
			answer: "old.shipit.dev. 60 DNAME example.com.\nwww.old.shipit.dev. 60 CNAME www.example.com.",
			want:   "positive old.shipit.dev. DNAME example.com. CNAME www.example.com. -> www.example.com.",
		},
		{
			name: "DNAME asked for below its owner", question: "www.old.shipit.dev. DNAME", flags: "aa nxdomain",
			answer: "old.shipit.dev. 60 DNAME new.shipit.dev.\nwww.old.shipit.dev. 60 CNAME www.new.shipit.dev.", authority: soa,
			want: "nxdomain old.shipit.dev. DNAME new.shipit.dev. CNAME www.new.shipit.dev. / " + soaText,
		},
		{name: "the DNAME itself", question: "old.shipit.dev. DNAME", flags: "aa", answer: "old.shipit.dev. 60 DNAME new.shipit.dev.", want: "positive DNAME new.shipit.dev."},
		{
			name: "DNAME of another name", flags: "aa", answer: "old.shipit.dev. 60 DNAME new.shipit.dev.\nwww.shipit.dev. 60 A 192.0.2.7",
			want: "positive A 192.0.2.7",
		},

		// Cuts.
		{
			name: "referral", question: "www.preview.shipit.dev. A", authority: "Preview.shipit.dev. 60 NS ns.preview.shipit.dev.\npreview.shipit.dev. 60 NS ns.example.net.",
			want: "referral cut preview.shipit.dev. ns.preview.shipit.dev. ns.example.net.",
		},
		{name: "referral with authority", question: "www.preview.shipit.dev. A", flags: "aa", authority: "preview.shipit.dev. 60 NS ns.preview.shipit.dev.", want: "referral cut preview.shipit.dev. ns.preview.shipit.dev."},
		{
			name: "referral among records that don't belong", question: "www.preview.shipit.dev. A",
			authority: "dev. 60 NS ns.dev.\nshipit.dev. 60 NS ns1.shipit.dev.\nother.shipit.dev. 60 NS ns.example.net.\npreview.shipit.dev. 60 NS ns.preview.shipit.dev.",
			want:      "referral cut preview.shipit.dev. ns.preview.shipit.dev.",
		},
		{name: "referral with an answer", answer: "www.shipit.dev. 60 A 192.0.2.7", authority: "www.shipit.dev. 60 NS ns.example.net.", want: "failure"},
		{name: "referral with NXDOMAIN", flags: "nxdomain", authority: "www.shipit.dev. 60 NS ns.example.net.", want: "failure"},
		{name: "referral with SOA", authority: "www.shipit.dev. 60 NS ns.example.net.\n" + soa, want: "failure"},
		{name: "referral up", authority: "dev. 60 NS ns.dev.", want: "failure"},
		{name: "referral to itself", authority: "shipit.dev. 60 NS ns1.shipit.dev.", want: "failure"},
		{name: "referral sideways", authority: "preview.shipit.dev. 60 NS ns1.shipit.dev.", want: "failure"},
		{name: "referral to another server of no name", question: "www.preview.shipit.dev. A", authority: "preview.shipit.dev. 60 NS .", want: "referral cut preview.shipit.dev."},
		{
			name: "NXDOMAIN by a deeper zone", question: "www.preview.shipit.dev. A", flags: "aa nxdomain", authority: deeper,
			want: "nxdomain / " + deeperText + " cut preview.shipit.dev.",
		},
		{
			name: "NODATA by a deeper zone", question: "preview.shipit.dev. A", flags: "aa", authority: deeper,
			want: "nodata / SOA ns1.shipit.dev. admin.example.net. 1 7200 900 1209600 60 cut preview.shipit.dev.",
		},
		{
			name: "SOA of a deeper zone", question: "preview.shipit.dev. SOA", flags: "aa", answer: deeper,
			want: "positive SOA ns1.shipit.dev. admin.example.net. 1 7200 900 1209600 60 cut preview.shipit.dev.",
		},
		{
			name: "SOA of a deeper zone behind a CNAME", question: "www.shipit.dev. SOA", flags: "aa", answer: "www.shipit.dev. 60 CNAME preview.shipit.dev.\n" + deeper,
			want: "positive CNAME preview.shipit.dev. " + deeperText,
		},
		{
			name: "signatures", question: "www.shipit.dev. RRSIG", flags: "aa", answer: "www.shipit.dev. 60 RRSIG A" + rrsig,
			want: "positive RRSIG A" + rrsig,
		},
		{name: "SOA of the zone", question: "shipit.dev. SOA", flags: "aa", answer: soa, want: "positive SOA ns1.shipit.dev. admin.example.net. 1 7200 900 1209600 60"},
		{
			name: "DS", question: "preview.shipit.dev. DS", flags: "aa", answer: "preview.shipit.dev. 60 DS 1 13 2 " + digestHex,
			want: "positive DS 1 13 2 " + digestHex,
		},
		{name: "referral for the DS at the cut", question: "preview.shipit.dev. DS", authority: "preview.shipit.dev. 60 NS ns.preview.shipit.dev.", want: "failure"},
		{
			name: "referral for a DS further down", question: "a.preview.shipit.dev. DS", authority: "preview.shipit.dev. 60 NS ns.preview.shipit.dev.",
			want: "referral cut preview.shipit.dev. ns.preview.shipit.dev.",
		},
		{
			name: "no DS, says the zone below", question: "preview.shipit.dev. DS", flags: "aa", authority: deeper,
			want: "nodata / SOA ns1.shipit.dev. admin.example.net. 1 7200 900 1209600 60",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			question := tt.question
			if question == "" {
				question = "www.shipit.dev. A"
			}
			qname, qtype, _ := strings.Cut(question, " ")
			m := replyTo(qname, qtype, tt.flags, tt.answer, tt.authority, tt.additional)
			m.SetEdns0(1232, true)
			v := digest(m, "shipit.dev.", qname, dns.StringToType[qtype])
			if got := v.text(qname); got != tt.want {
				t.Errorf("%s\n got %s\nwant %s", question, got, tt.want)
			}
			if v.kind == wire.Failure || v.kind == wire.Referral {
				return
			}
			rcode := dns.RcodeSuccess
			if v.kind == wire.NXDOMAIN {
				rcode = dns.RcodeNameError
			}
			if h := v.msg.MsgHdr; !h.Response || h.Authoritative || h.AuthenticatedData || h.RecursionDesired || h.Rcode != rcode {
				t.Errorf("got header %+v, want QR, no AA, AD or RD, and rcode %d", h, rcode)
			}
			if q := v.msg.Question; len(q) != 1 || q[0] != (dns.Question{Name: qname, Qtype: dns.StringToType[qtype], Qclass: dns.ClassINET}) {
				t.Errorf("got question %v, want %s", q, question)
			}
		})
	}
}

// Of all zones only the root could have it.
func TestOPTIsNoRecordOfAnyZone(t *testing.T) {
	t.Parallel()
	m := replyTo("www.shipit.dev.", "A", "aa nxdomain", "", ". 60 SOA . . 1 1 1 1 1", "")
	m.SetEdns0(uint16(dns.ClassINET), false)
	if v := digest(m, ".", "www.shipit.dev.", dns.TypeA); v.text("") != "nxdomain / . SOA . . 1 1 1 1 1" {
		t.Errorf("got %s", v.text(""))
	}
}

func TestChainsAndWildcardsOfARealZone(t *testing.T) {
	inShipit(t, func(w *world, zone *zoneData) {
		zone.publish(t, `
			*.wild.shipit.dev.   60 A     192.0.2.9
			alias.shipit.dev.    60 CNAME www.shipit.dev.
			dangling.shipit.dev. 60 CNAME missing.shipit.dev.
			away.shipit.dev.     60 CNAME www.example.com.
			old.shipit.dev.      60 DNAME shipit.dev.
			gone.shipit.dev.     60 DNAME example.com.
			a.ent.shipit.dev.    60 A     192.0.2.10`)
		const both = "ns1.shipit.dev ns2.shipit.dev"
		tests := []struct{ question, want string }{
			{"any.wild.shipit.dev. A", "positive A 192.0.2.9 | have " + both},
			{"any.wild.shipit.dev. AAAA", "nodata | lack " + both},
			{"alias.shipit.dev. A", "positive CNAME www.shipit.dev. www.shipit.dev. A 192.0.2.7 | have " + both},
			{"alias.shipit.dev. AAAA", "nodata CNAME www.shipit.dev. | lack " + both},
			{"dangling.shipit.dev. A", "nxdomain CNAME missing.shipit.dev. | lack " + both},
			{"away.shipit.dev. A", "positive CNAME www.example.com. -> www.example.com. | have " + both},
			{"www.old.shipit.dev. A", "positive old.shipit.dev. DNAME shipit.dev. CNAME www.shipit.dev. www.shipit.dev. A 192.0.2.7 | have " + both},
			{"no.old.shipit.dev. A", "nxdomain old.shipit.dev. DNAME shipit.dev. CNAME no.shipit.dev. | lack " + both},
			{"www.gone.shipit.dev. A", "positive gone.shipit.dev. DNAME example.com. CNAME www.example.com. -> www.example.com. | have " + both},
			{"ent.shipit.dev. A", "nodata | lack " + both},
		}
		for _, tt := range tests {
			w.wantAll(tt.question, tt.want, 0)
		}
	})
}
