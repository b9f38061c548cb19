package authority

import (
	"errors"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"notyet/upstream"
	"notyet/wire"
)

// path says which zones lead to a name, as in "shipit.dev. ns1.shipit.dev 192.0.2.1 > preview.shipit.dev. degraded".
func (w *world) path(text string) string {
	w.t.Helper()
	zones, err := w.Path(w.t.Context(), w.request(text))
	if err != nil {
		return err.Error()
	}
	var all []string
	for _, z := range zones {
		s := z.Apex
		if z.Why != nil {
			s += " degraded"
		} else if z.SOA.Hdr.Name != z.Apex {
			w.t.Errorf("%s: got the SOA %v", z.Apex, z.SOA)
		}
		for _, server := range z.Servers {
			s += " " + server.Name + " " + server.Addr.Addr().String()
			if server.Fault != nil {
				s += " (" + server.Fault.Error() + ")"
			}
		}
		all = append(all, s)
	}
	return strings.Join(all, " > ")
}

func (w *world) wantPath(question, want string) {
	w.t.Helper()
	if got := w.path(question); got != want {
		w.t.Errorf("path to %s\n got %s\nwant %s", question, got, want)
	}
}

const (
	inShipitPath  = "shipit.dev. ns1.shipit.dev 192.0.2.1 ns2.shipit.dev 192.0.2.2"
	inPreviewPath = inShipitPath + " > preview.shipit.dev. ns1.preview.shipit.dev 192.0.2.11 ns2.preview.shipit.dev 192.0.2.12"
)

func TestPathHasEveryZoneOnTheWay(t *testing.T) {
	inWorld(t, func(w *world) {
		family(w)
		w.wantPath("www.deep.preview.shipit.dev. A", inPreviewPath+" > deep.preview.shipit.dev. ns.example.net 192.0.2.21")
		w.wantPath("www.preview.shipit.dev. A", inPreviewPath)
		w.wantPath("nothing.shipit.dev. A", inShipitPath)
		w.wantPath("shipit.dev. A", inShipitPath)
		w.wantPath("preview.shipit.dev. DS", inShipitPath)
	})
}

func TestPathBeginsAtTheSuffixWhenThatIsTheWatch(t *testing.T) {
	inWorld(t, func(w *world) {
		dev := zoneOf(t, "dev.", `
			dev.            300 NS a.nic.dev.
			a.nic.dev.      300 A  192.0.2.31
			shipit.dev.     300 NS ns1.shipit.dev.
			ns1.shipit.dev. 300 A  192.0.2.1`)
		w.serve(authoritative(dev), "192.0.2.31")
		w.serve(authoritative(zoneOf(t, "shipit.dev.", shipit)), "192.0.2.1")
		w.upstream(recursive(dev))
		w.wantPath("www.shipit.dev. A watch=dev.", "dev. a.nic.dev 192.0.2.31 > shipit.dev. ns1.shipit.dev 192.0.2.1")
		w.wantPath("other.dev. A watch=dev.", "dev. a.nic.dev 192.0.2.31")
		for _, asked := range w.lookups {
			if strings.Contains(asked, "shipit") || strings.Contains(asked, "other") {
				t.Errorf("got the upstream asked for %s, want it asked for nothing below dev.", asked)
			}
		}
	})
}

func TestPathSaysWhatIsWrongWithServers(t *testing.T) {
	inShipit(t, func(w *world, _ *zoneData) {
		w.serve(says(dns.RcodeRefused), "192.0.2.2")
		w.wantPath("www.shipit.dev. A", inShipitPath+" (REFUSED)")
	})
}

func TestPathOfADegradedZoneHasTheServersThatWereTried(t *testing.T) {
	inShipit(t, func(w *world, _ *zoneData) {
		w.serve(says(dns.RcodeRefused), "192.0.2.1")
		w.serve(dead, "192.0.2.2")
		w.wantPath("www.shipit.dev. A", "shipit.dev. degraded ns1.shipit.dev 192.0.2.1 (REFUSED) ns2.shipit.dev 192.0.2.2 (timeout)")
		zones, err := w.Path(t.Context(), w.request("www.shipit.dev. A"))
		if err != nil || !errors.Is(zones[0].Servers[1].Fault, upstream.ErrTimeout) {
			t.Errorf("got %v and %v, want the second server's fault to be ErrTimeout", zones, err)
		}
	})
}

func TestJudgeReadsWhatOneServerSays(t *testing.T) {
	t.Parallel()
	zone := zoneOf(t, "shipit.dev.", shipit+`
		preview.shipit.dev. 300 NS    ns.example.net.
		alias.shipit.dev.   60  CNAME gone.example.net.`)
	for _, test := range []struct {
		question string
		kind     wire.Kind
		target   string
		cut      string
	}{
		{"www.shipit.dev. A", wire.Positive, "", ""},
		{"www.shipit.dev. TXT", wire.NODATA, "", ""},
		{"gone.shipit.dev. A", wire.NXDOMAIN, "", ""},
		{"alias.shipit.dev. A", wire.Positive, "gone.example.net.", ""},
		{"www.preview.shipit.dev. A", wire.Referral, "", "preview.shipit.dev."},
		{"www.example.net. A", wire.Failure, "", ""},
	} {
		f := strings.Fields(test.question)
		qname, qtype := f[0], dns.StringToType[f[1]]
		got := Judge(authoritative(zone)(newQuery(qname, qtype, false)), "shipit.dev.", qname, qtype)
		if got.Kind != test.kind || got.Target != test.target || got.Cut != test.cut {
			t.Errorf("%s: got %v %q %q, want %v %q %q", test.question, got.Kind, got.Target, got.Cut, test.kind, test.target, test.cut)
		}
		if (got.Msg == nil) != (got.Kind == wire.Referral || got.Kind == wire.Failure) {
			t.Errorf("%s: got the message %v with %v", test.question, got.Msg, got.Kind)
		}
	}
}
