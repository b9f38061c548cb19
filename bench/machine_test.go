//go:build linux

package main

import (
	"strings"
	"testing"
)

func TestPlacement(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		cpus string
		want placement
	}{
		{"0 1", placement{server: "0", load: "1", twoServers: "0,1", shared: true}},
		{"2 5 7 9", placement{server: "2", load: "5", twoServers: "2,7"}},
	} {
		if got, err := placeOn(strings.Fields(tt.cpus)); err != nil || got != tt.want {
			t.Errorf("%s: got %+v, %v, want %+v", tt.cpus, got, err, tt.want)
		}
	}
	if _, err := placeOn([]string{"3"}); err == nil || !strings.Contains(err.Error(), "two CPUs") {
		t.Errorf("got %v, want that it needs two CPUs", err)
	}
}
