package main

import (
	"reflect"
	"testing"

	"notyet/admin"
)

// everyKey is a watch with a value for each key that is not the default, as YAML and JSON both have it.
const everyKey = `"negative_ttl": "1s", "nodata_ttl": "3s", "verify": "after", "upstream_after": "4s", "hold": "5s", "poll": "6s", ` +
	`"give_up": "7m", "queries_per_second": 8, "authorities": ["192.0.2.9"]`

// otherwise is the same with other values.
const otherwise = `"negative_ttl": "11s", "nodata_ttl": "13s", "verify": "off", "upstream_after": "14s", "hold": "9s", "poll": "16s", ` +
	`"give_up": "17m", "queries_per_second": 18, "authorities": []`

// lease leases a name with the keys, and returns what is in force of them.
func (p *program) lease(t *testing.T, name, keys string) admin.Watch {
	t.Helper()
	body := `{"name": "` + name + `"`
	if keys != "" {
		body += ", " + keys
	}
	var w admin.Watch
	if status := p.call(t, "POST", "/api/v1/watches", body+"}", &w); status != 201 {
		t.Fatalf("%s: got %d", name, status)
	}
	return optionsOf(w)
}

// optionsOf is a watch without what tells it from others.
func optionsOf(w admin.Watch) admin.Watch {
	w.Name, w.Lease, w.Until, w.Pending = "", false, nil, 0
	return w
}

func TestKeyThatALeaseDoesNotGiveIsAsInTheWatchThatItsNameIsUnder(t *testing.T) {
	t.Parallel()
	p := startWith(t, `upstreams: ["192.0.2.1"]
watch: [{zone: shipit.dev, `+everyKey+`}, {zone: plain.shipit.dev}]`)
	var list admin.Watches
	p.call(t, "GET", "/api/v1/watches", "", &list)
	plain, configured := optionsOf(list.Watches[0]), optionsOf(list.Watches[1])
	other := p.lease(t, "other.example", otherwise)
	if reflect.DeepEqual(plain, configured) || reflect.DeepEqual(other, configured) {
		t.Fatalf("got %+v, want three that differ", list.Watches)
	}
	held := configured
	held.Hold = other.Hold
	for _, step := range []struct {
		name, keys string
		want       admin.Watch
	}{
		{"elsewhere.example", "", plain}, // the defaults
		{"shipit.dev", "", configured},
		{"pr-7.shipit.dev", "", configured},
		{"pr-8.shipit.dev", otherwise, other},
		{"pr-8.shipit.dev", "", other}, // renewed
		{"a.pr-8.shipit.dev", "", other},
		{"plain.shipit.dev", "", plain},
		{"shipit.dev", `"hold": "9s"`, held},
		{"shipit.dev", "", held},
		{"pr-9.shipit.dev", "", held},
		{"pr-7.shipit.dev", "", configured}, // of its own lease, not of the one above it
	} {
		if got := p.lease(t, step.name, step.keys); !reflect.DeepEqual(got, step.want) {
			t.Errorf("lease of %s with %q: got\n%+v\nwant\n%+v", step.name, step.keys, got, step.want)
		}
	}
	p.call(t, "DELETE", "/api/v1/watches/shipit.dev", "", nil)
	if got := p.lease(t, "shipit.dev", ""); !reflect.DeepEqual(got, configured) {
		t.Errorf("once the lease has ended: got\n%+v\nwant the configuration's\n%+v", got, configured)
	}
}
