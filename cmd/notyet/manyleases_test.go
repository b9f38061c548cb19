package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"notyet/admin"
	"notyet/cache"
	"notyet/config"
	"notyet/watch"
)

// TestThousandLeasesFromManyClients has them begin, end and be listed at once.
func TestThousandLeasesFromManyClients(t *testing.T) {
	t.Parallel()
	p := startProgram(t, "--upstream=192.0.2.1")
	const clients, each = 10, 100
	var all sync.WaitGroup
	for c := range clients {
		all.Go(func() {
			for i := range each {
				name := fmt.Sprintf("n%d-%d.preview.example", c, i)
				if status := p.call(t, "POST", "/api/v1/watches", fmt.Sprintf(`{"name": %q}`, name), nil); status != 201 {
					t.Errorf("%s: got %d", name, status)
				}
				if i%10 == 0 {
					p.call(t, "GET", "/api/v1/watches", "", new(admin.Watches))
				}
				if i%2 == 0 {
					if status := p.call(t, "DELETE", "/api/v1/watches/"+name, "", nil); status != 204 {
						t.Errorf("end %s: got %d", name, status)
					}
				}
			}
		})
	}
	all.Wait()
	var list admin.Watches
	p.call(t, "GET", "/api/v1/watches", "", &list)
	if len(list.Watches) != clients*each/2 {
		t.Errorf("got %d leases, want %d", len(list.Watches), clients*each/2)
	}
}

func TestOneLeaseTooManyIsRefusedWithARemedy(t *testing.T) {
	t.Parallel()
	set, err := watch.New(watch.Config{
		Cache: cache.New(cache.Config{Memory: cache.MinMemory}, time.Now()), Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	a := &api{daemon: &daemon{watching: set}, config: config.Default()}
	const most = 10_000
	var leases []watch.Lease
	for i := range most {
		leases = append(leases, watch.Lease{Name: fmt.Sprintf("n%d.example", i), Options: options(config.DefaultWatch("")), Until: time.Now().Add(time.Hour)})
	}
	if n := set.Restore(leases); n != most {
		t.Fatalf("got %d leases, want %d", n, most)
	}
	_, err = a.AddWatch([]byte(`{"name": "more.example"}`))
	var refusal admin.Refusal
	if !errors.As(err, &refusal) || refusal.Status != http.StatusInsufficientStorage || !strings.Contains(refusal.Detail, "end one with DELETE /api/v1/watches/NAME") {
		t.Errorf("got %v, want it refused with a remedy", err)
	}
	if _, err := a.AddWatch([]byte(`{"name": "n7.example"}`)); err != nil {
		t.Errorf("got %v for a lease that replaces another", err)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	set.Run(ended)
}
