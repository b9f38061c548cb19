package resolver

import (
	"testing"

	"notyet/wire"
)

func zone(t *testing.T, s string) []byte {
	t.Helper()
	name, err := wire.Name(s)
	if err != nil {
		t.Fatalf("zone %q: %v", s, err)
	}
	return name
}

func TestLongestZoneWins(t *testing.T) {
	t.Parallel()
	var routes []Route
	for _, z := range []string{".", "example.com.", "a.example.com.", "deep.er.a.example.com.", "local.", `dotted\.label.example.`} {
		routes = append(routes, Route{Zone: zone(t, z), Upstreams: []Upstream{newFake(z, nil)}})
	}
	tests := []struct{ qname, want string }{
		{".", "."},
		{"com.", "."},
		{"www.example.net.", "."},
		{"example.com.", "example.com."},
		{"www.example.com.", "example.com."},
		{"a.b.c.d.example.com.", "example.com."},
		{"notexample.com.", "."},
		{"www.notexample.com.", "."},
		{"example.com.au.", "."},
		{"a.example.com.", "a.example.com."},
		{"x.a.example.com.", "a.example.com."},
		{"aa.example.com.", "example.com."},
		{"er.a.example.com.", "a.example.com."},
		{"deep.er.a.example.com.", "deep.er.a.example.com."},
		{"x.deep.er.a.example.com.", "deep.er.a.example.com."},
		{"printer.local.", "local."},
		{`dotted\.label.example.`, `dotted\.label.example.`},
		{"dotted.label.example.", "."},
	}
	for _, order := range []string{"as given", "reversed"} {
		r := newRoutes(routes)
		for _, tt := range tests {
			if got := r.find(zone(t, tt.qname)).Upstreams[0].String(); got != tt.want {
				t.Errorf("%s, routes %s: got route %s, want %s", tt.qname, order, got, tt.want)
			}
		}
		for i, j := 0, len(routes)-1; i < j; i, j = i+1, j-1 {
			routes[i], routes[j] = routes[j], routes[i]
		}
	}
}

func TestQuestionGoesToItsRoute(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		all, local := newFake("all", records("60 A 192.0.2.1")), newFake("local", records("60 A 192.0.2.2"))
		b := newBedOf(t, Config{Routes: []Route{
			{Zone: zone(t, "cluster.local."), Upstreams: []Upstream{local}},
			{Zone: zone(t, "."), Upstreams: []Upstream{all}},
		}})
		b.want("www.example.com. A", "NOERROR A 192.0.2.1", 0)
		b.want("db.cluster.local. A", "NOERROR A 192.0.2.2", 0)
		if all.count() != 1 || local.count() != 1 {
			t.Errorf("got %d and %d questions, want 1 and 1", all.count(), local.count())
		}
	})
}
