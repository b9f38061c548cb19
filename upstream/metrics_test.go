package upstream

import (
	"testing"

	"github.com/miekg/dns"
	"github.com/prometheus/client_golang/prometheus"

	"notyet/upstream/upstreamtest"
)

func TestNothingIsCountedWithoutMetrics(t *testing.T) {
	t.Parallel()
	s := upstreamtest.New(t, func(q *upstreamtest.Query) {
		wrong := setID(upstreamtest.Answer(q.Wire), uint16(q.Wire[0])<<8|uint16(q.Wire[1])+1)
		switch qname := q.Message().Question[0].Name; {
		case qname == "yes.":
			q.Answer("60 A 192.0.2.1")
		case qname == "no.":
			q.Deny()
		case qname == "refused.":
			q.Rcode(dns.RcodeRefused)
		case qname == "wrong.":
			q.Send(wrong)
			q.Deny()
		case qname == "truncated." && !q.TCP:
			q.Truncate()
		case qname == "truncated.":
			q.Send(wrong)
			q.Deny()
		}
	})
	under := newUnder(t)
	u := New(Config{Addr: s.Addr, Group: under.group, Deadlines: under.deadlines})
	for _, qname := range []string{"yes.", "no.", "refused.", "wrong.", "truncated."} {
		if got := ask(t, u, qname, patience); got.err != nil {
			t.Errorf("%s: %v", qname, got.err)
		}
	}
	if got := ask(t, u, "silent.", soon); got.err == nil {
		t.Errorf("got %q, want a timeout", got.records())
	}
	u.Close()
	if got := ask(t, u, "yes.", patience); got.err == nil {
		t.Errorf("after Close: got %q, want an error", got.records())
	}
}

func TestForgottenUpstreamIsInNoMetric(t *testing.T) {
	t.Parallel()
	metrics := NewMetrics()
	for _, name := range []string{"192.0.2.1:53", "tcp://192.0.2.1:53"} {
		m := metrics.meter(name)
		m.observe(make([]byte, 12), nil, 0)
		m.hold(1)
	}
	metrics.Forget("192.0.2.1:53")
	r := prometheus.NewPedanticRegistry()
	r.MustRegister(metrics.Collectors()...)
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	kept := 0
	for _, f := range families {
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				switch l.GetValue() {
				case "192.0.2.1:53":
					t.Errorf("got %s of the upstream that was forgotten", f.GetName())
				case "tcp://192.0.2.1:53":
					kept++
				}
			}
		}
	}
	if kept == 0 {
		t.Error("got no metric of the other upstream")
	}
}
