package main

import (
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
)

func TestHoldIsForEachWatchWithoutItsOwn(t *testing.T) {
	t.Parallel()
	w := wrapper{holds: make(map[string]bool), written: make(map[string]string)}
	cmd := &cobra.Command{}
	w.registerRun(cmd)
	args := []string{"--hold=4s", "--watch=a.example", "--watch=b.example,hold=1s", "--watch=c.example,hold=0s", "--watch=d.example,poll=2s", "--upstream=192.0.2.1", "--upstream=tcp://192.0.2.2"}
	if err := cmd.ParseFlags(args); err != nil {
		t.Fatal(err)
	}
	w.holdAll()
	want := map[string]time.Duration{"a.example.": 4 * time.Second, "b.example.": time.Second, "c.example.": 0, "d.example.": 4 * time.Second}
	for _, watch := range w.watch {
		if watch.Hold != want[watch.Zone] {
			t.Errorf("%s: got hold %v, want %v", watch.Zone, watch.Hold, want[watch.Zone])
		}
	}
	const recipe = `run "notyet serve --watch a.example,hold=4s --watch b.example,hold=1s --watch c.example,hold=0s --watch d.example,poll=2s,hold=4s --upstream 192.0.2.1:53 --upstream tcp://192.0.2.2:53 &"`
	if got := w.sidecar(); !strings.Contains(got, recipe) {
		t.Errorf("got %q, want %q in it", got, recipe)
	}
}
