package authority

import "testing"

func TestAsk(t *testing.T) {
	inShipit(t, func(w *world, zone *zoneData) {
		a := w.want("www.shipit.dev. A", "positive A 192.0.2.7 | have ns1.shipit.dev", 0)
		w.rest(a, "positive A 192.0.2.7 | have ns1.shipit.dev ns2.shipit.dev", 0)
		w.wantLookups(byName...)
		t.Log(w.asked())
	})
}
