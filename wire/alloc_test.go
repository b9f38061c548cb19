package wire

import (
	"testing"

	"github.com/miekg/dns"
)

// It runs alone: AllocsPerRun counts those of the whole process.
func TestNothingIsAllocated(t *testing.T) {
	dst := make([]byte, 0, 1024)
	var q Query
	var r Reply
	r.TTLs = make([]uint16, 0, 64)
	none := func(name string, f func()) {
		t.Helper()
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s: got %v allocations, want none", name, n)
		}
	}
	for _, b := range queries(t) {
		none("ParseQuery", func() { _ = ParseQuery(b, &q) })
		none("AppendAnswer", func() { AppendAnswer(dst, &q, dns.RcodeRefused, nil, nil) })
	}
	for _, b := range replies(t) {
		name, qtype, _ := ownQuestion(b)
		none("ParseReply", func() {
			if err := ParseReply(b, name, qtype, &r); err != nil {
				t.Fatal(err)
			}
		})
		none("Target", func() { r.Target(dst) })
		none("FindOPT", func() {
			o, _ := FindOPT(b)
			o.Option(dns.EDNS0COOKIE)
		})
		none("Respell", func() { Respell(b, name) })
		names := 0
		owners := func() { r.Owners(func([]byte) { names++ }) }
		if owners(); names == 0 {
			none("Owners", owners)
		}
		none("Age", func() { Age(b, []byte{0, 20}, 1) })
	}
	name := wireName(t, "www.example.")
	none("AppendQuery", func() { AppendQuery(dst, name, dns.TypeA, RD, true) })
	none("AddOption", func() { AddOption(AppendQuery(dst, name, dns.TypeA, RD, true), 65001, name) })
	none("AppendLower", func() { AppendLower(dst, name) })
	none("IsSubdomain", func() { IsSubdomain(name, Parent(name)) })
	none("AppendOption", func() { AppendOption(AppendEDE(dst, 22, "timeout"), 65001, name) })
}
