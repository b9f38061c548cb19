package authority

import (
	"strings"
	"testing"
)

// A name must not come to the same two servers of three each time because of others that are asked meanwhile.
func TestEachTurnOfAFewServersBeginsWhereTheLastOneEnded(t *testing.T) {
	inWorld(t, func(w *world) {
		zone := zoneOf(w.t, "shipit.dev.", "")
		w.serve(authoritative(zone), "192.0.2.1", "192.0.2.2", "192.0.2.3")
		w.upstream(authoritative(zone))
		const given = " A +few at=192.0.2.1:53 at=192.0.2.2:53 at=192.0.2.3:53"
		for turn, want := range []string{"192.0.2.1 192.0.2.2", "192.0.2.1 192.0.2.3", "192.0.2.2 192.0.2.3"} {
			for _, qname := range []string{"a.shipit.dev.", "b.shipit.dev.", "c.shipit.dev."} {
				r := w.request(qname + given)
				r.Turn = turn
				if _, err := w.Ask(w.t.Context(), r); err != nil {
					w.t.Fatalf("%s: %v", qname, err)
				}
				var servers []string
				for _, asked := range w.asked() {
					if server, question, _ := strings.Cut(asked, " "); question == qname+" A" {
						servers = append(servers, server)
					}
				}
				if got := strings.Join(servers, " "); got != want {
					w.t.Errorf("turn %d of %s: got %s asked, want %s", turn, qname, got, want)
				}
				w.forget()
			}
		}
	})
}
