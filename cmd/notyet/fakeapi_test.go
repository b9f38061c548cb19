package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"time"

	"notyet/admin"
)

// fakeAPI is the admin API of a notyet whose cache has answers of every kind.
type fakeAPI struct {
	mu      sync.Mutex
	watches []admin.Watch
	pending []admin.Pending
	status  admin.Status
	cached  []admin.CacheEntry
}

// startFakeAPI starts one that has a watch in its configuration, and a name pending there. With a token it asks for it.
func startFakeAPI(token string) *httptest.Server {
	const s, zone = admin.Duration(time.Second), "preview.example.com."
	f := &fakeAPI{
		watches: []admin.Watch{{Name: zone, Hold: 4 * s, Pending: 1}, {Name: "corp.example.", Degraded: "no server answers"}},
		pending: []admin.Pending{{
			Name: "new." + zone, Type: "A", Watch: zone, Since: time.Now().Add(-12 * time.Second),
			Have: []string{"ns1.example.com."}, Lack: []string{"ns2.example.com."},
		}},
		status: admin.Status{Listen: []string{"127.0.0.1:2"}, Upstreams: []admin.Upstream{{Zone: ".", Address: "127.0.0.1:1"}, {Zone: ".", Address: "127.0.0.1:3"}}, Cache: admin.CacheStats{
			Positive: admin.CacheBudget{Entries: 1204, Bytes: 3 << 20, Limit: 48 << 20}, Hits: 9, Misses: 1,
		}},
		cached: []admin.CacheEntry{
			{Name: "www.example.com.", Type: "A", Kind: "positive", Rcode: "NOERROR", Left: 243 * s, Age: 57 * s, Records: []string{
				"www.example.com. 300 IN A 192.0.2.1", "www.example.com. 300 IN A 192.0.2.2",
			}},
			{Name: "www.example.com.", Type: "AAAA", DO: true, Kind: "nodata", Rcode: "NOERROR", Left: 3 * s / 2, Watch: zone},
			{Name: "www.example.com.", Type: "MX", Kind: "failure", Rcode: "SERVFAIL", Left: s},
			{Name: "www.example.com.", Type: "TXT", Kind: "positive", Rcode: "NOERROR", Stale: true, Age: 2 * 3600 * s, Records: []string{
				`www.example.com. 0 IN TXT "v=old;  a   b"`,
			}},
		},
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/v1/status", func(w http.ResponseWriter, _ *http.Request) { answerWith(w, f.status) })
	mux.HandleFunc("GET /api/v1/watches", func(w http.ResponseWriter, _ *http.Request) { answerWith(w, admin.Watches{Watches: f.watches}) })
	mux.HandleFunc("POST /api/v1/watches", f.add)
	mux.HandleFunc("DELETE /api/v1/watches/{name}", f.remove)
	mux.HandleFunc("GET /api/v1/pending", func(w http.ResponseWriter, _ *http.Request) { answerWith(w, admin.PendingNames{Pending: f.pending}) })
	mux.HandleFunc("GET /api/v1/cache", func(w http.ResponseWriter, r *http.Request) {
		answerWith(w, admin.CacheEntries{Entries: f.entries(r.FormValue("name"))})
	})
	mux.HandleFunc("DELETE /api/v1/cache", f.flush)
	mux.HandleFunc("GET /api/v1/explain", func(w http.ResponseWriter, r *http.Request) {
		answerWith(w, f.explain(r.FormValue("name"), r.FormValue("type")))
	})
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		defer f.mu.Unlock()
		if r.URL.Path == "/readyz" { // it asks nobody for a token
			fmt.Fprintln(w, "ready")
			return
		}
		if token != "" && r.Header.Get("Authorization") != "Bearer "+token {
			refuseWith(w, http.StatusUnauthorized, "send the token")
			return
		}
		mux.ServeHTTP(w, r)
	}))
}

// add makes a watch of a lease, as both have the same keys, in the place of the one of that name.
func (f *fakeAPI) add(w http.ResponseWriter, r *http.Request) {
	lease := struct {
		admin.Watch
		For admin.Duration `json:"for"`
	}{For: admin.Duration(15 * time.Minute)}
	if err := json.NewDecoder(r.Body).Decode(&lease); err != nil {
		refuseWith(w, http.StatusBadRequest, err.Error())
		return
	}
	until := time.Now().Add(time.Duration(lease.For))
	lease.Lease, lease.Until = true, &until
	f.watches = slices.DeleteFunc(f.watches, func(w admin.Watch) bool { return w.Lease && w.Name == lease.Name })
	f.watches = append(f.watches, lease.Watch)
	answerWith(w, lease.Watch)
}

func (f *fakeAPI) remove(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	before := len(f.watches)
	f.watches = slices.DeleteFunc(f.watches, func(w admin.Watch) bool { return w.Lease && w.Name == name })
	if slices.ContainsFunc(f.watches, func(w admin.Watch) bool { return w.Name == name }) {
		refuseWith(w, http.StatusConflict, name+" is of the configuration")
		return
	}
	if len(f.watches) == before {
		refuseWith(w, http.StatusNotFound, "no lease for "+name)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (f *fakeAPI) entries(name string) []admin.CacheEntry {
	return slices.DeleteFunc(slices.Clone(f.cached), func(e admin.CacheEntry) bool { return e.Name != name })
}

func (f *fakeAPI) explain(name, qtype string) admin.Explanation {
	e := admin.Explanation{Name: name, Type: qtype, Cached: f.entries(name), Upstreams: f.status.Upstreams}
	if p := f.pending[0]; p.Name == name {
		e.Pending, e.Watch = &p, &f.watches[0]
	}
	return e
}

func (f *fakeAPI) flush(w http.ResponseWriter, r *http.Request) {
	name, zone, negative := r.FormValue("name"), r.FormValue("zone"), r.FormValue("negative") == "true"
	before := len(f.cached)
	f.cached = slices.DeleteFunc(f.cached, func(e admin.CacheEntry) bool {
		return (e.Name == name || zone == "example.com.") && (!negative || e.Kind != "positive")
	})
	answerWith(w, admin.Flushed{Dropped: before - len(f.cached)})
}

func answerWith(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(body)
}

func refuseWith(w http.ResponseWriter, status int, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(admin.Problem{Status: status, Detail: detail})
}
