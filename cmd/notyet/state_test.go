package main

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"notyet/admin"
	"notyet/cache"
	"notyet/config"
	"notyet/watch"
)

// keptState is a state's file, the watches behind it and what is told of them.
type keptState struct {
	*state
	told *output
}

func newKeptState(t *testing.T, dir string) *keptState {
	t.Helper()
	k := &keptState{told: &output{lines: make(chan string, 1000)}}
	answers := cache.New(cache.Config{Memory: cache.MinMemory}, time.Now())
	log := slog.New(slog.NewTextHandler(k.told, nil))
	watching, err := watch.New(watch.Config{
		Watches: []watch.Zone{{Name: "configured.example", Options: options(config.DefaultWatch(""))}},
		Cache:   answers, Log: log, LeasesChanged: func() { k.changed() },
	})
	if err != nil {
		t.Fatal(err)
	}
	cfg := config.Default()
	cfg.State = dir
	k.state = newState(cfg, watching, log)
	return k
}

func (k *keptState) lease(t *testing.T, name string, d time.Duration) {
	t.Helper()
	k.leaseWith(t, name, options(config.DefaultWatch("")), d)
}

func (k *keptState) leaseWith(t *testing.T, name string, o watch.Options, d time.Duration) {
	t.Helper()
	if _, err := k.watching.Lease(name, func(*watch.Options) watch.Options { return o }, time.Now().Add(d)); err != nil {
		t.Fatal(err)
	}
}

// leases are the names of those in force.
func (k *keptState) leases() string {
	var names []string
	for _, w := range k.watching.List() {
		if !w.Until.IsZero() {
			names = append(names, w.Name)
		}
	}
	return strings.Join(names, " ")
}

// wantTold is wantTold of the file of leases.
func (k *keptState) wantTold(t *testing.T, words ...string) {
	t.Helper()
	wantTold(t, k.told, k.path, words...)
}

// restored are the leases that another process would begin with.
func restored(t *testing.T, dir string) string {
	t.Helper()
	other := newKeptState(t, dir)
	other.restore()
	return other.leases()
}

func TestLeasesAreWrittenSoonAfterTheyChange(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "state") // which is made
	synctest.Test(t, func(t *testing.T) {
		k := newKeptState(t, dir)
		end := k.begin()
		for i := range 100 {
			k.lease(t, fmt.Sprintf("n%d.example", i), time.Hour)
		}
		k.lease(t, "brief.example", time.Minute)
		time.Sleep(stateDelay)
		synctest.Wait()
		if got := len(strings.Fields(restored(t, dir))); got != 101 {
			t.Errorf("got %d leases on disk after %v, want 101", got, stateDelay)
		}
		for i := range 99 {
			k.watching.EndLease(fmt.Sprintf("n%d.example", i))
		}
		time.Sleep(stateEvery - stateDelay)
		if got := len(strings.Fields(restored(t, dir))); got != 101 {
			t.Errorf("got %d leases on disk sooner than a second after the last, want 101", got)
		}
		time.Sleep(stateDelay)
		synctest.Wait()
		if got := restored(t, dir); got != "brief.example. n99.example." {
			t.Errorf("got %s on disk, want brief and n99", got)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := restored(t, dir); got != "n99.example." {
			t.Errorf("got %s on disk, want n99 alone: the other is over", got)
		}
		k.lease(t, "last.example", time.Hour)
		synctest.Wait()
		end()
		if got := restored(t, dir); got != "last.example. n99.example." {
			t.Errorf("got %s on disk, want the last one too", got)
		}
		k.wantTold(t)
		if got := testutil.ToFloat64(k.errors); got != 0 {
			t.Errorf("got %v errors", got)
		}
	})
	wantFiles(t, dir, "leases.json")
	if info, err := os.Stat(filepath.Join(dir, "leases.json")); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("got %v, %v, want a file that only its owner reads", info, err)
	}
}

func TestLeaseIsTheSameAfterARestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	k := newKeptState(t, dir)
	o := options(config.DefaultWatch(""))
	o.NegativeTTL, o.NODATATTL, o.Verify, o.UpstreamAfter, o.Hold = 0, time.Second, watch.After, 1500*time.Millisecond, 4*time.Second
	o.Poll, o.GiveUp, o.QueriesPerSecond = 0, time.Hour, 7
	o.Authorities = []netip.AddrPort{netip.MustParseAddrPort("192.0.2.1:53"), netip.MustParseAddrPort("[2001:db8::1]:5353")}
	k.leaseWith(t, "preview.example", o, time.Hour)
	if !k.save() {
		t.Fatalf("not saved: %s", k.told)
	}
	other := newKeptState(t, dir)
	other.restore()
	other.wantTold(t, `"leases read" file=`+other.path+" leases=1 left_out=0")
	got, want := other.watching.List()[1], k.watching.List()[1]
	if !got.Until.Equal(want.Until) {
		t.Errorf("got it until %v, want %v", got.Until, want.Until)
	}
	got.Until, want.Until = time.Time{}, time.Time{}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
}

func TestLeasesThatAreOverAreLeftOut(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		k := newKeptState(t, dir)
		k.lease(t, "brief.example", time.Minute)
		k.lease(t, "long.example", time.Hour)
		k.save()
		time.Sleep(time.Minute)
		if got := restored(t, dir); got != "long.example." {
			t.Errorf("got %s, want only the one that is not over", got)
		}
		k.watching.EndLease("long.example")
	})
}

func TestLeaseThatMayNoLongerBeIsLeftOut(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	k := newKeptState(t, dir)
	put(t, k.path, fmt.Sprintf(`{"version": 1, "leases": [{"name": "co.uk", "until": %[1]q}, {"name": "good.example", "until": %[1]q}, {"name": "a.example", "hold": "x", "until": %[1]q}]}`,
		time.Now().Add(time.Hour).Format(time.RFC3339)))
	k.restore()
	k.wantTold(t, "name a zone below it", "lease left out", "leases=1 left_out=2")
	if got := k.leases(); got != "good.example." {
		t.Errorf("got %s, want the good one", got)
	}
	wantFiles(t, dir, "leases.json")
}

func TestDamagedLeasesAreSetAside(t *testing.T) {
	t.Parallel()
	for name, content := range map[string]string{
		"empty": "", "foreign": "127.0.0.1 localhost\n", "cut": `{"version": 1, "leases": [{"name": "a.exa`, "newer": `{"version": 2, "leases": []}`,
		"other": `[]`, "zeroes": "\x00\x00\x00\x00", "no version": `{}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			k := newKeptState(t, dir)
			put(t, k.path, content)
			k.restore()
			k.wantTold(t, `"leases set aside" file=`+k.path+" as="+k.path+".bad")
			wantFiles(t, dir, "leases.json.bad")
			k.lease(t, "a.example", time.Hour)
			k.save()
			wantFiles(t, dir, "leases.json", "leases.json.bad")
			if got := restored(t, dir); got != "a.example." {
				t.Errorf("got %s on disk", got)
			}
			if got := testutil.ToFloat64(k.errors); got != 1 {
				t.Errorf("got %v errors counted, want 1", got)
			}
		})
	}
}

func TestLeasesThatCannotBeWrittenAreToldOnceAndTriedAgain(t *testing.T) {
	t.Parallel()
	above := filepath.Join(t.TempDir(), "missing")
	synctest.Test(t, func(t *testing.T) {
		k := newKeptState(t, filepath.Join(above, "state"))
		end := k.begin()
		k.wantTold(t, "make the directory "+filepath.Join(above, "state")+", or change state")
		k.lease(t, "a.example", time.Hour)
		time.Sleep(stateDelay)
		synctest.Wait()
		k.wantTold(t) // it was told
		if err := os.MkdirAll(k.config.State, 0o700); err != nil {
			t.Fatal(err)
		}
		time.Sleep(stateRetry)
		synctest.Wait()
		k.wantTold(t, `"leases written"`)
		if got := restored(t, k.config.State); got != "a.example." {
			t.Errorf("got %s on disk once it could be written", got)
		}
		k.watching.EndLease("a.example")
		end()
	})
}

func TestRemedyForAStateThatIsOfAnotherKind(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("a file in place of a directory is told as one that is missing")
	}
	for name, create := range map[string]func(dir string) error{
		"file":                   func(dir string) error { return os.WriteFile(dir, nil, 0o600) },
		"directory named leases": func(dir string) error { return os.MkdirAll(filepath.Join(dir, leasesFile), 0o700) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "state")
			if err := create(dir); err != nil {
				t.Fatal(err)
			}
			k := newKeptState(t, dir)
			k.begin()()
			const want = `remedy="name a directory of notyet's own in state"`
			if got := k.told.String(); !strings.Contains(got, `"leases not written"`) || !strings.Contains(got, want) {
				t.Errorf("got log %q, want %s", got, want)
			}
		})
	}
}

func TestRestartKeepsTheLeases(t *testing.T) {
	t.Parallel()
	file := fmt.Sprintf("upstreams: [%q]\nstate: %s", upstreamOf(t, addressOf).addr, filepath.Join(t.TempDir(), "state"))
	p := startWith(t, file)
	var before admin.Watch
	if status := p.call(t, "POST", "/api/v1/watches", `{"name": "preview.example", "for": "1h", "hold": "4s"}`, &before); status != 201 {
		t.Fatalf("got %d", status)
	}
	if code := p.stopped(); code != 0 {
		t.Fatalf("got exit code %d: %s", code, p.stderr)
	}
	p = startWith(t, file)
	var after admin.Watches
	p.call(t, "GET", "/api/v1/watches", "", &after)
	was, _ := json.Marshal(admin.Watches{Watches: []admin.Watch{before}})
	is, _ := json.Marshal(after)
	if string(was) != string(is) {
		t.Errorf("got %s\nwant %s\n%s", is, was, p.stderr)
	}
	if _, body := p.get(t, "/metrics"); !strings.Contains(body, "\nnotyet_state_errors_total 0\n") || !strings.Contains(body, "\nnotyet_state_saved_timestamp_seconds 0\n") {
		t.Errorf("got no metrics of the state in\n%s", body)
	}
}
