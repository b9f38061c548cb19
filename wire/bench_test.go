package wire

import (
	"testing"

	"github.com/miekg/dns"
)

func BenchmarkParseQuery(b *testing.B) {
	for name, m := range map[string]message{
		"plain": {question: "www.example.com. A", flags: RD},
		"edns":  {question: "www.example.com. A", flags: RD | AD, opt: opt(&dns.EDNS0_COOKIE{Code: dns.EDNS0COOKIE, Cookie: "24a5ac1223344556"})},
	} {
		packet := m.pack(b)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			var q Query
			for b.Loop() {
				if err := ParseQuery(packet, &q); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkParseReply(b *testing.B) {
	for name, m := range map[string]message{
		"A":        {question: "www.example. A", answer: "www.example. 300 A 192.0.2.1"},
		"chain":    {question: "www.example. A", answer: "www.example. 300 CNAME web.example.\nweb.example. 60 A 192.0.2.1\nweb.example. 60 A 192.0.2.2"},
		"NXDOMAIN": {question: "www.example. A", rcode: dns.RcodeNameError, authority: soa},
	} {
		m.flags, m.opt = QR|RD|RA, opt()
		reply := m.pack(b)
		qname, qtype, _ := ownQuestion(reply)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			var r Reply
			for b.Loop() {
				if err := ParseReply(reply, qname, qtype, &r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
