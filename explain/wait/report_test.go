package wait

import (
	"slices"
	"testing"
)

func TestAllThatIsMissingIsNamed(t *testing.T) {
	t.Parallel()
	r := Report{Name: "www.shipit.dev.", Names: []Name{
		{Name: "www.shipit.dev.", Fault: "no server answers"},
		{Name: "a.other.dev.", Servers: []Server{
			{Name: "ns1.other.dev", State: Ready, Says: []string{"192.0.2.7"}},
			{Name: "ns2.other.dev", State: Behind, Says: []string{"CNAME b.other.dev.", "NXDOMAIN"}},
			{Name: "ns3.other.dev", State: Silent, Says: []string{"timeout"}},
			{Name: "ns4.other.dev", State: Lame, Says: []string{"REFUSED"}},
			{Name: "ns5.other.dev", State: Unheard},
			{Name: "ns6.other.dev", State: Absent, Says: []string{"no address"}},
		}},
	}}
	want := []string{
		"www.shipit.dev: no server answers", "a.other.dev at ns2.other.dev: CNAME b.other.dev., NXDOMAIN", "a.other.dev at ns3.other.dev: timeout",
		"a.other.dev at ns4.other.dev: REFUSED", "a.other.dev at ns5.other.dev: not heard yet",
	}
	if got := r.Missing(); !slices.Equal(got, want) {
		t.Errorf("got\n%q\nwant\n%q", got, want)
	}
}

// TestServerWithoutAnAddressSaysNothing has it before the others, behind them and alone.
func TestServerWithoutAnAddressSaysNothing(t *testing.T) {
	t.Parallel()
	absent, ready, behind := Server{State: Absent}, Server{State: Ready}, Server{State: Behind}
	for _, tt := range []struct {
		servers []Server
		want    bool
	}{
		{[]Server{absent, ready}, true},
		{[]Server{ready, absent}, true},
		{[]Server{ready, absent, behind}, false},
		{[]Server{absent}, false},
	} {
		w := waiter{state: &Report{Names: []Name{{Name: "new.shipit.dev.", Servers: tt.servers}}}}
		if got := w.met("new.shipit.dev.", nil); got != tt.want {
			t.Errorf("%+v: got it met %v, want %v", tt.servers, got, tt.want)
		}
	}
}
