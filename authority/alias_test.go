package authority

import (
	"strings"
	"testing"
)

// shared is a world where the servers of each zone also have the zone below, which has another one of its own.
func shared(w *world) {
	dev := zoneOf(w.t, "dev.", `
		dev.            300 NS a.nic.dev.
		a.nic.dev.      300 A  192.0.2.31
		shipit.dev.     300 NS a.nic.dev.
		shipit.dev.     300 NS ns1.shipit.dev.
		ns1.shipit.dev. 300 A  192.0.2.1`)
	shipit := zoneOf(w.t, "shipit.dev.", `
		shipit.dev.             300 NS    a.nic.dev.
		shipit.dev.             300 NS    ns1.shipit.dev.
		ns1.shipit.dev.         300 A     192.0.2.1
		www.shipit.dev.         60  A     192.0.2.7
		alias.shipit.dev.       60  CNAME www.shipit.dev.
		out.shipit.dev.         60  CNAME www.example.net.
		preview.shipit.dev.     300 NS    ns1.shipit.dev.
		preview.shipit.dev.     300 NS    ns.preview.shipit.dev.
		ns.preview.shipit.dev.  300 A     192.0.2.11`)
	const records = `
		preview.shipit.dev.       300 NS    ns1.shipit.dev.
		preview.shipit.dev.       300 NS    ns.preview.shipit.dev.
		ns.preview.shipit.dev.    300 A     192.0.2.11
		www.preview.shipit.dev.   60  A     192.0.2.7
		old.preview.shipit.dev.   300 DNAME preview.shipit.dev.`
	const alias = `
		alias.preview.shipit.dev. 60  CNAME www.preview.shipit.dev.
		a.b.preview.shipit.dev.   60  CNAME www.shipit.dev.
		up.preview.shipit.dev.    60  CNAME shipit.dev.`
	preview := zoneOf(w.t, "preview.shipit.dev.", records+alias)
	w.serve(authoritative(dev, shipit, preview), "192.0.2.31")
	w.serve(authoritative(shipit, preview), "192.0.2.1")
	w.serve(authoritative(zoneOf(w.t, "preview.shipit.dev.", records)), "192.0.2.11") // it is behind
	w.upstream(recursive(dev, shipit, preview))
}

func TestPathToAnAliasHasTheZoneThatItsServersHaveToo(t *testing.T) {
	t.Parallel()
	const (
		inShipit  = "dev. a.nic.dev 192.0.2.31 > shipit.dev. a.nic.dev 192.0.2.31 ns1.shipit.dev 192.0.2.1"
		inPreview = "shipit.dev. a.nic.dev 192.0.2.31 ns1.shipit.dev 192.0.2.1 > preview.shipit.dev. ns1.shipit.dev 192.0.2.1 ns.preview.shipit.dev 192.0.2.11"
	)
	for question, want := range map[string]string{
		"alias.shipit.dev. A watch=dev.":                       inShipit,
		"out.shipit.dev. A watch=dev.":                         inShipit,
		"alias.preview.shipit.dev. A":                          inPreview,
		"a.b.preview.shipit.dev. A":                            inPreview,
		"up.preview.shipit.dev. A":                             inPreview,
		"www.old.preview.shipit.dev. A":                        inPreview,
		strings.Repeat("a.", 30) + "old.preview.shipit.dev. A": inPreview,
	} {
		t.Run(question, func(t *testing.T) {
			inWorld(t, func(w *world) {
				shared(w)
				w.wantPath(question, want)
			})
		})
	}
}

func TestAliasIsAskedAtTheServersOfItsOwnZone(t *testing.T) {
	inWorld(t, func(w *world) {
		shared(w)
		a := w.wantAll("alias.preview.shipit.dev. A", "positive CNAME www.preview.shipit.dev. www.preview.shipit.dev. A 192.0.2.7 | have ns1.shipit.dev | lack ns.preview.shipit.dev", 0)
		if a != nil && a.Zone != "preview.shipit.dev." {
			t.Errorf("got zone %s, want preview.shipit.dev.", a.Zone)
		}
	})
}

func TestPathToAnAliasGoesOnFromAKnownZone(t *testing.T) {
	inWorld(t, func(w *world) {
		shared(w)
		w.ask("www.shipit.dev. A")
		w.wantPath("alias.preview.shipit.dev. A", "shipit.dev. a.nic.dev 192.0.2.31 ns1.shipit.dev 192.0.2.1"+
			" > preview.shipit.dev. ns1.shipit.dev 192.0.2.1 ns.preview.shipit.dev 192.0.2.11")
	})
}
