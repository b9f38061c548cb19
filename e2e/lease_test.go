//go:build e2e && linux

package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"notyet/admin"
	"notyet/e2e/testbed"
)

// call makes a request of the admin API, and reads the answer into what answer points to unless that is nil.
func call(t *testing.T, n *testbed.Notyet, method, path, body string, answer any) (status int) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, "http://"+n.Admin.String()+path, strings.NewReader(body))
	if err != nil {
		t.Fatalf("%v", err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Close = true
	client := http.Client{Timeout: patience}
	response, err := client.Do(request)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err == nil && answer != nil {
		err = json.Unmarshal(text, answer)
	}
	if err != nil {
		t.Fatalf("%s %s: %v: %s", method, path, err, text)
	}
	return response.StatusCode
}

// unwatched starts a notyet without a watch before the bed's Unbound.
func (b *watchBed) unwatched(t *testing.T, extra string) *testbed.Notyet {
	t.Helper()
	return testbed.StartNotyet(t, testbed.NotyetConfig{Binary: notyetBinary, Upstreams: []netip.AddrPort{b.unbound.Addr}, Extra: extra})
}

// TestLeaseMakesANameVisibleSoon asks too early under a lease.
func TestLeaseMakesANameVisibleSoon(t *testing.T) {
	t.Parallel()
	b := watching()
	n := b.unwatched(t, "")
	qname := newLabel() + "." + plainZone + "."
	var lease admin.Watch
	if status := call(t, n, "POST", "/api/v1/watches", fmt.Sprintf(`{"name": %q, "for": "5m", "upstream_after": "0s"}`, qname), &lease); status != http.StatusCreated {
		t.Fatalf("lease %s: got status %d", qname, status)
	}
	s, err := vigil{
		q: ask(qname, dns.TypeA), denied: dns.RcodeNameError, after: 3 * time.Second,
		publish: func() error {
			wantPending(t, n, qname)
			return b.add(qname + " 60 A 192.0.2.7")
		},
	}.keep(n.Addr)
	if err != nil {
		t.Fatal(err)
	}
	if s.took() > soon {
		t.Errorf("%s: visible %v after it was published, want at most %v", qname, s.took(), soon)
	}
	b.wantUnasked(t, qname)

	var status admin.Status
	call(t, n, "GET", "/api/v1/status", "", &status)
	if status.Leases != 1 || status.Rescued != 1 || status.Pending != 0 {
		t.Errorf("got %+v, want a lease, a rescued name and none pending", status)
	}
	var e admin.Explanation
	call(t, n, "GET", "/api/v1/explain?name="+qname+"&type=A", "", &e)
	if e.Watch == nil || !e.Watch.Lease || e.Pending != nil || !e.Known || len(e.Cached) != 1 || e.Cached[0].Kind != "positive" {
		t.Errorf("got %+v, want the lease and the answer", e)
	}
	if status := call(t, n, "DELETE", "/api/v1/watches/"+qname, "", nil); status != http.StatusNoContent {
		t.Errorf("end the lease: got status %d", status)
	}
}

// wantPending checks who is said to lack a name.
func wantPending(t *testing.T, n *testbed.Notyet, qname string) {
	t.Helper()
	var names admin.PendingNames
	call(t, n, "GET", "/api/v1/pending", "", &names)
	if len(names.Pending) != 1 || names.Pending[0].Name != qname || len(names.Pending[0].Lack) != 1 || names.Pending[0].Next == nil {
		t.Errorf("got %+v pending, want %s, which its server lacks and is soon asked for", names, qname)
	}
}

// TestLeaseOutlivesARestart asks too early after it.
func TestLeaseOutlivesARestart(t *testing.T) {
	t.Parallel()
	b := watching()
	extra := "state: " + filepath.Join(t.TempDir(), "state")
	n := b.unwatched(t, extra)
	qname := newLabel() + "." + plainZone + "."
	var before admin.Watch
	if status := call(t, n, "POST", "/api/v1/watches", fmt.Sprintf(`{"name": %q, "for": "5m", "upstream_after": "0s"}`, qname), &before); status != http.StatusCreated {
		t.Fatalf("lease %s: got status %d", qname, status)
	}
	stop(t, n)
	n = b.unwatched(t, extra)
	var after admin.Watches
	call(t, n, "GET", "/api/v1/watches", "", &after)
	if len(after.Watches) != 1 || after.Watches[0].Name != before.Name || !after.Watches[0].Until.Equal(*before.Until) {
		t.Fatalf("got %+v after the restart, want %+v", after, before)
	}
	s, err := vigil{
		q: ask(qname, dns.TypeA), denied: dns.RcodeNameError, after: 2 * time.Second,
		publish: func() error { return b.add(qname + " 60 A 192.0.2.7") },
	}.keep(n.Addr)
	if err != nil {
		t.Fatal(err)
	}
	if s.took() > soon {
		t.Errorf("%s: visible %v after it was published, want at most %v", qname, s.took(), soon)
	}
	b.wantUnasked(t, qname)
}
