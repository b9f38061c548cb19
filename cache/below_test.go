package cache

import (
	"slices"
	"strconv"
	"testing"

	"github.com/miekg/dns"
)

func TestDropNegativesBelow(t *testing.T) {
	t.Parallel()
	goes := map[string]answer{
		"example.net. A":          nodata(300 * s),
		"www.example.net. A":      nxdomain(300 * s),
		"wWw.Example.net. AAAA":   nodata(300 * s),
		"www.example.net. A do":   nxdomain(300 * s),
		"a.www.example.net. A cd": nxdomain(300 * s),
		// What leads out of it is its own, what leads in too.
		"out.example.net. A":   behindCNAME("out.example.net.", "gone.example."),
		"in.example. A":        behindCNAME("in.example.", "Gone.Example.NET."),
		"in.example. MX do cd": {answer: "in.example. 300 CNAME www.example.net.", authority: soa(300*s, 300*s)},
		"apex.example. A":      behindCNAME("apex.example.", "example.net."),
		"two.example. A": {
			rcode: dns.RcodeNameError, authority: soa(300*s, 300*s), additional: "ns.example. 300 A 192.0.2.53",
			answer: "two.example. 300 CNAME three.example.\nthree.example. 300 CNAME gone.example.net.", ede: "text",
		},
	}
	stays := map[string]answer{
		"net. A":              nodata(300 * s),
		"example. A":          nodata(300 * s),
		"www.example. A":      nxdomain(300 * s),
		"myexample.net. A":    nxdomain(300 * s),
		"net.example. A":      nxdomain(300 * s),
		"example.net.test. A": nxdomain(300 * s),
		// Seven and 'example' inside of a label.
		`www\007example.net. A`: nxdomain(300 * s),
		"through.example. A":    behindCNAME("through.example.", "www.example.net.\nwww.example.net. 300 CNAME gone.example."),
		"out.example. A":        behindCNAME("out.example.", "gone.example."),
		"found.example.net. A":  a("found.example.net.", 300*s),
	}
	w := newWorld(t)
	for _, all := range []map[string]answer{stays, goes} {
		for question, answer := range all {
			w.put(0, question, answer)
		}
	}
	w.fail(0, "www.example.net. TXT")
	w.fail(0, "www.example. TXT")
	if n, want := w.DropNegativesBelow(w.key("Example.NET. A").Name), len(goes)+1; n != want {
		t.Errorf("got %d, want %d", n, want)
	}
	for question := range goes {
		if w.get(0, question) != nil {
			t.Errorf("%s: it is still there", question)
		}
	}
	for question := range stays {
		if w.get(0, question) == nil {
			t.Errorf("%s: it went too", question)
		}
	}
	if w.get(0, "www.example.net. TXT") != nil || w.get(0, "www.example. TXT") == nil {
		t.Error("the failure in the zone is still there, or the one outside went too")
	}
	w.wantIndex()
	if n := w.DropNegativesBelow(w.key("example.net. A").Name); n != 0 {
		t.Errorf("the second time: got %d, want 0", n)
	}
	// The failure is no answer of stays, and the positive no negative.
	if n, want := w.DropNegativesBelow(w.key(". A").Name), len(stays)+1-1; n != want {
		t.Errorf("the root: got %d, want all %d", n, want)
	}
	w.wantIndex()
}

func TestDropNegativesBelowGoesThroughAllShards(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var used []*shard
	for n := range 500 {
		question := "n" + strconv.Itoa(n) + ".example. A"
		w.put(0, question, nxdomain(300*s))
		if s := w.shard(w.key(question).hash); !slices.Contains(used, s) {
			used = append(used, s)
		}
	}
	if len(used) != len(w.shards) {
		t.Fatalf("the names are in %d shards, want all %d", len(used), len(w.shards))
	}
	if n := w.DropNegativesBelow(w.key("example. A").Name); n != 500 {
		t.Errorf("got %d, want 500", n)
	}
	w.wantIndex()
}
