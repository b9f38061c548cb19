package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"notyet/admin"
)

// call makes a request of the admin API, and reads the answer into what answer points to unless that is nil.
func (p *program) call(t *testing.T, method, path, body string, answer any) (status int) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, "http://"+p.admin+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if answer != nil {
		if err := json.Unmarshal(text, answer); err != nil {
			t.Fatalf("%s %s: got %d %q: %v", method, path, response.StatusCode, text, err)
		}
	}
	return response.StatusCode
}

// wantRefused checks that a request is answered with a problem.
func (p *program) wantRefused(t *testing.T, method, path, body string, status int, detail string) {
	t.Helper()
	var problem admin.Problem
	if got := p.call(t, method, path, body, &problem); got != status || problem.Status != status || !strings.Contains(problem.Detail, detail) {
		t.Errorf("%s %s %s: got %d %+v, want %d with %q", method, path, body, got, problem, status, detail)
	}
}

// zoneOf is an upstream that has the zone shipit.dev as far as it was published; it is its name server too, at an address
// that tests name in authorities.
func zoneOf(t *testing.T, published func(qname string) bool) *fakeUpstream {
	t.Helper()
	return upstreamOf(t, func(q *dns.Msg) *dns.Msg {
		m := new(dns.Msg).SetReply(q)
		m.Authoritative, m.RecursionAvailable = true, true
		soa, err := dns.NewRR("shipit.dev. 3600 SOA ns1.shipit.dev. host.shipit.dev. 1 7200 900 1209600 60")
		if err != nil {
			t.Error(err)
		}
		switch qname := q.Question[0].Name; {
		case qname == "shipit.dev." && q.Question[0].Qtype == dns.TypeSOA:
			m.Answer = []dns.RR{soa}
		case qname != "shipit.dev." && !published(qname):
			m.Rcode, m.Ns = dns.RcodeNameError, []dns.RR{soa}
		case q.Question[0].Qtype == dns.TypeA:
			m.Answer = addressOf(q).Answer
		default:
			m.Ns = []dns.RR{soa}
		}
		return m
	})
}

func never(string) bool { return false }

func TestStatusShowsTheProgram(t *testing.T) {
	t.Parallel()
	u := upstreamOf(t, addressOf)
	p := startWith(t, fmt.Sprintf("upstreams: [%q]\nroutes: [{zone: corp.example, upstreams: [%q]}]\nwatch: [{zone: a.example}]", u.addr, u.addr))
	p.ask(t, "udp", "www.example.com.", dns.TypeA)
	p.ask(t, "udp", "www.example.com.", dns.TypeA)
	var s admin.Status
	if status := p.call(t, "GET", "/api/v1/status", "", &s); status != 200 {
		t.Fatalf("got %d", status)
	}
	if s.Version != version() || time.Since(s.Started) > time.Minute || s.Uptime <= 0 || len(s.Listen) != 1 || s.Listen[0] != p.addr {
		t.Errorf("got %+v, want the version, the start and %s", s, p.addr)
	}
	want := []admin.Upstream{{Zone: ".", Address: u.addr, Up: true}, {Zone: "corp.example.", Address: u.addr, Up: true}}
	if fmt.Sprint(s.Upstreams) != fmt.Sprint(want) {
		t.Errorf("got upstreams %+v, want %+v", s.Upstreams, want)
	}
	if s.Watches != 1 || s.Leases != 0 || s.Pending != 0 || s.Cache.Hits != 1 || s.Cache.Positive.Entries != 1 || s.Cache.Positive.Limit <= 0 {
		t.Errorf("got %+v, want a watch, and one hit on one entry", s)
	}
}

func TestLeasesComeAndGo(t *testing.T) {
	t.Parallel()
	u := zoneOf(t, never)
	p := startWith(t, fmt.Sprintf("upstreams: [%q]\nwatch: [{zone: configured.example}]", u.addr))
	var w admin.Watch
	began := time.Now()
	if status := p.call(t, "POST", "/api/v1/watches", `{"name": "Preview.shipit.dev", "for": "1h", "hold": "4s", "authorities": ["192.0.2.1"]}`, &w); status != 201 {
		t.Fatalf("got %d %+v", status, w)
	}
	if left := w.Until.Sub(began); !w.Lease || w.Name != "preview.shipit.dev." || left < time.Hour || left > time.Hour+time.Minute {
		t.Errorf("got %+v, want a lease of an hour", w)
	}
	if w.Hold != admin.Duration(4*time.Second) || w.Verify != "before" || w.NegativeTTL != admin.Duration(2*time.Second) || w.QueriesPerSecond != 50 {
		t.Errorf("got %+v, want hold as asked and the rest at its defaults", w)
	}
	var list admin.Watches
	p.call(t, "GET", "/api/v1/watches", "", &list)
	if len(list.Watches) != 2 || list.Watches[0].Name != "configured.example." || list.Watches[0].Lease || list.Watches[0].Until != nil ||
		fmt.Sprint(list.Watches[1].Authorities) != "[192.0.2.1:53]" {
		t.Errorf("got %+v, want the configuration's watch and the lease", list)
	}
	p.call(t, "POST", "/api/v1/watches", `{"name": "preview.shipit.dev"}`, &w)
	if left := w.Until.Sub(began); left > 16*time.Minute || w.Hold != admin.Duration(4*time.Second) {
		t.Errorf("got %+v, want the lease renewed for 15 minutes, and its hold as it was", w)
	}
	// A lease stands before the configuration's watch, which is back once it has gone.
	p.call(t, "POST", "/api/v1/watches", `{"name": "configured.example", "hold": "1s"}`, nil)
	for _, name := range []string{"configured.example", "PREVIEW.shipit.dev."} {
		if status := p.call(t, "DELETE", "/api/v1/watches/"+name, "", nil); status != 204 {
			t.Errorf("DELETE %s: got %d, want 204", name, status)
		}
	}
	p.wantRefused(t, "DELETE", "/api/v1/watches/configured.example", "", 409, `watch "configured.example." is of the configuration: take it out there`)
	p.wantRefused(t, "DELETE", "/api/v1/watches/preview.shipit.dev", "", 404, "GET /api/v1/watches lists them")
	p.wantRefused(t, "DELETE", "/api/v1/watches/below.configured.example", "", 404, "there is none of that name")
	p.wantRefused(t, "DELETE", "/api/v1/watches/a..b", "", 400, "write a name")
	p.call(t, "GET", "/api/v1/watches", "", &list)
	if len(list.Watches) != 1 || list.Watches[0].Hold != 0 {
		t.Errorf("got %+v, want the configuration's watch alone", list)
	}
}

func TestLeaseThatIsWrongIsRefusedWithARemedy(t *testing.T) {
	t.Parallel()
	p := startProgram(t, "--upstream=192.0.2.1")
	for body, detail := range map[string]string{
		`{"name": "co.uk"}`:                              `name "co.uk": name a zone below it`,
		`{"name": "a.example", "for": "25h"}`:            `for "25h": write a duration from 1s to 24h`,
		`{"name": "a.example", "holt": "1s"}`:            "holt: unknown key: did you mean hold?",
		`{"name": "a.example", "hold": "1m", "poll": 1}`: `hold "1m": write a duration from 0s to 10s; poll "1": write its unit, as in 1s`,
		`{}`: "name: add it: a lease has a name",
		`{"name": "a.example", "name": "b.example"}`:                             "name: remove it: already on line 1",
		fmt.Sprintf(`{"name": "a.example", "authorities": [%q]}`, "127.0.0.1:0"): "write the server's port",
	} {
		p.wantRefused(t, "POST", "/api/v1/watches", body, 422, detail)
	}
	for _, body := range []string{"{bad", "", "[]", `{"name": "a.example"} {"name": "b.example"}`} {
		p.wantRefused(t, "POST", "/api/v1/watches", body, 400, `send one JSON object, such as {"name": "preview.example.com", "for": "15m"}`)
	}
	var list admin.Watches
	if p.call(t, "GET", "/api/v1/watches", "", &list); len(list.Watches) != 0 {
		t.Errorf("got %+v, want none", list)
	}
}

func TestCacheIsShownAndFlushed(t *testing.T) {
	t.Parallel()
	u := zoneOf(t, func(qname string) bool { return qname == "www.shipit.dev." })
	p := startProgram(t, "--upstream="+u.addr)
	fill := func() {
		for _, q := range []dns.Question{
			{Name: "www.shipit.dev.", Qtype: dns.TypeA}, {Name: "www.shipit.dev.", Qtype: dns.TypeTXT}, {Name: "no.shipit.dev.", Qtype: dns.TypeA},
		} {
			p.ask(t, "udp", q.Name, q.Qtype)
		}
	}
	show := func(name string) (texts []string) {
		var c admin.CacheEntries
		if status := p.call(t, "GET", "/api/v1/cache?name="+name, "", &c); status != 200 {
			t.Errorf("got %d for %s", status, name)
		}
		for _, e := range c.Entries {
			texts = append(texts, fmt.Sprint(e.Name, " ", e.Type, " ", e.Kind, " ", e.Rcode, " ", e.Stale, " ", e.Records))
			if e.Left <= 0 {
				t.Errorf("got %+v, want some time left", e)
			}
		}
		return texts
	}
	flush := func(query string, want int) {
		t.Helper()
		var f admin.Flushed
		if status := p.call(t, "DELETE", "/api/v1/cache?"+query, "", &f); status != 200 || f.Dropped != want {
			t.Errorf("flush %s: got %d, %+v, want %d dropped", query, status, f, want)
		}
	}
	fill()
	got := strings.Join(show("WWW.shipit.dev"), "\n")
	for _, want := range []string{
		"www.shipit.dev. A positive NOERROR false [www.shipit.dev. 299 IN A 192.0.2.1]", // age rounds up
		"www.shipit.dev. TXT nodata NOERROR false [shipit.dev. ",
	} {
		if strings.Count(got, want) != 1 || strings.Count(got, "\n") != 1 {
			t.Errorf("got %q, want two entries, one of them %q", got, want)
		}
	}
	if got := show("no.shipit.dev"); len(got) != 1 || !strings.HasPrefix(got[0], "no.shipit.dev. A nxdomain NXDOMAIN ") {
		t.Errorf("got %q, want one NXDOMAIN", got)
	}
	flush("name=www.shipit.dev&negative=true", 1)
	flush("name=www.shipit.dev", 1)
	fill()
	flush("zone=shipit.dev&negative=true", 2)
	flush("zone=shipit.dev", 1)
	if got := show("www.shipit.dev"); len(got) != 0 {
		t.Errorf("got %q after the flush", got)
	}
	p.wantRefused(t, "GET", "/api/v1/cache?name=a..b", "", 400, `name "a..b": write a name`)
	p.wantRefused(t, "DELETE", "/api/v1/cache?zone=a..b", "", 400, `name "a..b": write a name`)
}

func TestPendingNameIsShownAndExplained(t *testing.T) {
	t.Parallel()
	u := zoneOf(t, never)
	p := startWith(t, fmt.Sprintf("upstreams: [%q]\nroutes: [{zone: shipit.dev, upstreams: [%q]}]", u.addr, u.addr))
	p.call(t, "POST", "/api/v1/watches", fmt.Sprintf(`{"name": "shipit.dev", "authorities": [%q]}`, u.addr), nil)
	p.ask(t, "udp", "Web.shipit.dev.", dns.TypeA)
	var pending admin.PendingNames
	p.call(t, "GET", "/api/v1/pending", "", &pending)
	if len(pending.Pending) != 1 {
		t.Fatalf("got %+v, want one name", pending)
	}
	got := pending.Pending[0]
	if got.Name != "web.shipit.dev." || got.Type != "A" || got.Watch != "shipit.dev." || fmt.Sprint(got.Lack) != "["+u.addr+"]" ||
		got.Have == nil || got.Silent == nil || time.Since(got.Since) > time.Minute {
		t.Errorf("got %+v, want who lacks it", got)
	}
	var e admin.Explanation
	if status := p.call(t, "GET", "/api/v1/explain?name=web.shipit.dev&type=a", "", &e); status != 200 {
		t.Errorf("got %d", status)
	}
	if e.Name != "web.shipit.dev." || e.Type != "A" || e.Watch == nil || e.Watch.Pending != 1 || e.Pending == nil || e.Known ||
		len(e.Cached) != 1 || e.Cached[0].Watch != "shipit.dev." || len(e.Upstreams) != 1 || e.Upstreams[0].Zone != "shipit.dev." {
		t.Errorf("got %+v, want the watch, the pending name, its denial and the route", e)
	}
	var other admin.Explanation
	p.call(t, "GET", "/api/v1/explain?name=www.example.com&type=TYPE65", "", &other)
	if other.Watch != nil || other.Pending != nil || other.Type != "HTTPS" || other.Cached == nil || len(other.Upstreams) != 1 || other.Upstreams[0].Zone != "." {
		t.Errorf("got %+v, want nothing but the route", other)
	}
	p.wantRefused(t, "GET", "/api/v1/explain?name=a.example&type=TYPO", "", 400, `type "TYPO": write a type such as A`)
	p.wantRefused(t, "GET", "/api/v1/explain?name=a.example&type=TYPE65536", "", 400, "write a type")
	p.wantRefused(t, "GET", "/api/v1/explain?name=a.example&type=ANY", "", 400, `type "ANY": write the type of one record`)
}

func TestEventsTellOfLeasesAndNames(t *testing.T) {
	t.Parallel()
	u := zoneOf(t, never)
	p := startProgram(t, "--upstream="+u.addr)
	response, err := http.Get("http://" + p.admin + "/api/v1/events")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	p.call(t, "POST", "/api/v1/watches", fmt.Sprintf(`{"name": "shipit.dev", "authorities": [%q]}`, u.addr), nil)
	p.ask(t, "udp", "web.shipit.dev.", dns.TypeA)
	p.call(t, "DELETE", "/api/v1/watches/shipit.dev", "", nil)
	var got []string
	lines := bufio.NewScanner(response.Body)
	for len(got) < 3 && lines.Scan() {
		data, found := strings.CutPrefix(lines.Text(), "data: ")
		if !found {
			continue
		}
		var e admin.Event
		if err := json.Unmarshal([]byte(data), &e); err != nil {
			t.Fatalf("got %q: %v", data, err)
		}
		got = append(got, strings.Join([]string{e.Kind, e.Watch, e.Name, e.Type}, " "))
	}
	if want := "began shipit.dev. shipit.dev. , pending shipit.dev. web.shipit.dev. A, ended shipit.dev. shipit.dev. "; strings.Join(got, ", ") != want {
		t.Errorf("got %q, want %s", got, want)
	}
	if code := p.stopped(); code != 0 {
		t.Errorf("got exit code %d with a client that follows the events", code)
	}
}
