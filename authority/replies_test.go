package authority

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// repliesText is what each server said, as in "ns1.shipit.dev positive A 192.0.2.7".
func repliesText(replies []Reply) string {
	var all []string
	for _, r := range replies {
		s := r.Name
		switch {
		case r.Fault != nil:
			s += " " + r.Fault.Error()
		case r.At.IsZero():
			s += " unheard"
		default:
			s += " " + r.Kind.String()
			for _, rr := range r.Msg.Answer {
				s += " " + recordText(rr, r.Msg.Question[0].Name)
			}
		}
		all = append(all, s)
	}
	return strings.Join(all, ", ")
}

func TestAnswerHasWhatEachServerSaid(t *testing.T) {
	inWorld(t, func(w *world) {
		zone := zoneOf(t, "shipit.dev.", shipit+`
shipit.dev.      300 NS  ns3.shipit.dev.
shipit.dev.      300 NS  ns4.shipit.dev.
shipit.dev.      300 NS  ns5.shipit.dev.
shipit.dev.      300 NS  nowhere.shipit.dev.
ns3.shipit.dev.  300 A   192.0.2.3
ns4.shipit.dev.  300 A   192.0.2.4
ns5.shipit.dev.  300 A   192.0.2.5
`)
		old := zoneOf(t, "shipit.dev.", strings.Replace(shipit, "192.0.2.7", "192.0.2.6", 1))
		behind := zoneOf(t, "shipit.dev.", strings.Replace(shipit, "www.", "ftp.", 1))
		w.upstream(recursive(zone))
		w.serve(authoritative(zone), "192.0.2.1")
		w.serve(authoritative(old), "192.0.2.2")
		w.serve(authoritative(behind), "192.0.2.3")
		w.serve(func(q *dns.Msg) *dns.Msg {
			if q.Question[0].Qtype != dns.TypeSOA {
				return new(dns.Msg).SetRcode(q, dns.RcodeServerFailure)
			}
			return authoritative(zone)(q)
		}, "192.0.2.4")
		w.serve(func(q *dns.Msg) *dns.Msg { return new(dns.Msg).SetRcode(q, dns.RcodeRefused) }, "192.0.2.5")

		a, err := w.Ask(w.t.Context(), w.request("www.shipit.dev. A"))
		if err != nil {
			t.Fatal(err)
		}
		a = a.Rest(w.t.Context())
		const want = "ns1.shipit.dev positive A 192.0.2.7, ns2.shipit.dev positive A 192.0.2.6, ns3.shipit.dev nxdomain, " +
			"ns4.shipit.dev SERVFAIL, ns5.shipit.dev REFUSED"
		if got := repliesText(a.Replies); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		if want := []string{"nowhere.shipit.dev"}; !slices.Equal(a.Absent, want) {
			t.Errorf("without an address: got %q, want %q", a.Absent, want)
		}
	})
}

func TestSilentZoneHasWhatEachServerDid(t *testing.T) {
	inShipit(t, func(w *world, zone *zoneData) {
		w.ask("www.shipit.dev. A")
		w.serve(func(q *dns.Msg) *dns.Msg { return nil }, "192.0.2.1")
		w.serve(func(q *dns.Msg) *dns.Msg { return new(dns.Msg).SetRcode(q, dns.RcodeRefused) }, "192.0.2.2")
		_, err := w.Ask(w.t.Context(), w.request("new.shipit.dev. A"))
		var silent Silent
		if !errors.As(err, &silent) || !errors.Is(err, ErrSilent) {
			t.Fatalf("got %v, want Silent", err)
		}
		if got, want := repliesText(silent.Replies), "ns1.shipit.dev timeout, ns2.shipit.dev REFUSED"; got != want || silent.Zone != "shipit.dev." {
			t.Errorf("got %s of %s\nwant %s", got, silent.Zone, want)
		}
	})
}

func TestDegradedZoneNamesTheServersThatWereTried(t *testing.T) {
	inShipit(t, func(w *world, zone *zoneData) {
		w.serve(func(q *dns.Msg) *dns.Msg { return nil }, "192.0.2.1")
		w.serve(func(q *dns.Msg) *dns.Msg { return new(dns.Msg).SetRcode(q, dns.RcodeRefused) }, "192.0.2.2")
		_, err := w.Ask(w.t.Context(), w.request("new.shipit.dev. A"))
		var degraded Degraded
		if !errors.As(err, &degraded) {
			t.Fatalf("got %v, want Degraded", err)
		}
		got := ""
		for _, s := range degraded.Servers {
			got += s.Name + " " + s.Fault.Error() + ", "
		}
		if want := "ns1.shipit.dev timeout, ns2.shipit.dev REFUSED, "; got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	})
}

func TestDiscoveryOfANameBeginsAtItsWatchAtTheLatest(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, watch, want string }{
		{"pr-7.preview.shipit.dev.", "preview.shipit.dev.", "shipit.dev."},
		{"shipit.dev.", "dev.", "dev."},
		{"dev.", ".", "."},
		{"7.2.0.192.in-addr.arpa.", "2.0.192.in-addr.arpa.", "2.0.192.in-addr.arpa."},
	} {
		r := Request{Name: tt.name, Type: dns.TypeA, Watch: tt.watch}
		if got := r.Start(); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
		}
	}
}
