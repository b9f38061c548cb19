package main

import (
	"fmt"
	"net"
	"testing"

	"github.com/miekg/dns"

	"notyet/admin"
)

func TestWatchWhoseServersAreNotThereIsDegradedAlone(t *testing.T) {
	t.Parallel()
	u := zoneOf(t, never)
	nobody, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer nobody.Close() // it is there, and never answers
	p := startWith(t, fmt.Sprintf("upstreams: [%q]\nwatch: [{zone: shipit.dev, authorities: [%q]}, {zone: deg.shipit.dev, authorities: [%q]}]",
		u.addr, u.addr, nobody.LocalAddr()))
	p.ask(t, "udp", "n1.shipit.dev.", dns.TypeA)
	p.ask(t, "udp", "n1.deg.shipit.dev.", dns.TypeA)
	var list admin.Watches
	p.call(t, "GET", "/api/v1/watches", "", &list)
	if len(list.Watches) != 2 || list.Watches[0].Degraded == "" || list.Watches[1].Degraded != "" {
		t.Errorf("got %+v, want deg.shipit.dev degraded, and shipit.dev not", list.Watches)
	}
}
