package main

import (
	"strings"
	"testing"
)

func TestTableHasMediansAndTheSlowest(t *testing.T) {
	t.Parallel()
	r := report{
		Versions: []string{"Unbound 1.17.1", "dnsmasq 2.90"},
		Programs: []result{
			{Program: "notyet --watch shipit.dev", Names: []sample{{new(0.9), 0}, {new(0.24), 0}, {new(0.41), 0}}},
			{Program: "Unbound", Names: []sample{{new(57.0), 1}, {new(57.251), 1}, {new(56.949), 1}}},
			{Program: "dnsmasq --no-negcache", Names: []sample{{nil, 13}, {new(57.0), 12}, {new(56.0), 11}}},
			{Program: "CoreDNS", Names: []sample{{nil, 2}, {new(57.0), 2}, {nil, 2}}},
		},
	}
	want := `Negative TTL 60 s, a question every 250ms, the record published 3 s after the first; medians of 3 names; Unbound 1.17.1, dnsmasq 2.90.

| forwarder                 | visible after | slowest | upstream asked too early |
| ------------------------- | ------------: | ------: | -----------------------: |
| notyet --watch shipit.dev |         0.4 s |   0.9 s |                    never |
| Unbound                   |        57.0 s |  57.3 s |                      1 × |
| dnsmasq --no-negcache     |        57.0 s |  > 87 s |                     12 × |
| CoreDNS                   |        > 87 s |  > 87 s |                      2 × |
`
	var got strings.Builder
	if err := r.writeTable(&got); err != nil {
		t.Fatal(err)
	}
	if got.String() != want {
		t.Errorf("got\n%s\nwant\n%s", got.String(), want)
	}
}

func TestTableWithoutPeersNamesNoVersions(t *testing.T) {
	t.Parallel()
	r := report{Programs: []result{{Program: "notyet", Names: []sample{{new(57.0), 1}}}}}
	var got strings.Builder
	if err := r.writeTable(&got); err != nil {
		t.Fatal(err)
	}
	if first, _, _ := strings.Cut(got.String(), "\n"); !strings.HasSuffix(first, "medians of 3 names.") {
		t.Errorf("got %q, want no versions at its end", first)
	}
}

func TestJSONHasEveryName(t *testing.T) {
	t.Parallel()
	r := report{
		Versions: []string{"Unbound 1.17.1"},
		Programs: []result{{Program: "Unbound", Names: []sample{{new(57.251), 1}, {nil, 2}}}},
	}
	want := `{
  "versions": [
    "Unbound 1.17.1"
  ],
  "programs": [
    {
      "program": "Unbound",
      "names": [
        {
          "seconds": 57.251,
          "asked_early": 1
        },
        {
          "seconds": null,
          "asked_early": 2
        }
      ]
    }
  ]
}
`
	var got strings.Builder
	if err := r.writeJSON(&got); err != nil {
		t.Fatal(err)
	}
	if got.String() != want {
		t.Errorf("got\n%s\nwant\n%s", got.String(), want)
	}
}
