package admin

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// inMemory runs a test against a server in a bubble of fake time.
func inMemory(t *testing.T, test func(t *testing.T, r *running, l *memoryListener)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c, _ := withAPI(t)
		r, l := startInMemoryWith(t, c)
		test(t, r, l)
	})
}

func statusOf(t *testing.T, c net.Conn, request string) int {
	t.Helper()
	defer c.Close()
	go io.WriteString(c, request)
	response, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode
}

// follower is a client of the events.
type follower struct {
	net.Conn
	lines *bufio.Reader
}

// follow opens a stream; last is the Last-Event-ID, "" for none.
func follow(t *testing.T, l *memoryListener, last string) *follower {
	t.Helper()
	c := l.connect(t)
	header := ""
	if last != "" {
		header = "Last-Event-ID: " + last + "\r\n"
	}
	go fmt.Fprintf(c, "GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n%s\r\n", header)
	response, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	if response.StatusCode != 200 || response.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("got %d %v, want a stream of events", response.StatusCode, response.Header)
	}
	f := &follower{c, bufio.NewReader(response.Body)}
	if got := f.message(t); got != ": notyet" {
		t.Errorf("got %q first, want a comment that shows it works", got)
	}
	return f
}

// message is the next one, without the empty line behind it; "" at the end.
func (f *follower) message(t *testing.T) string {
	t.Helper()
	var lines []string
	for {
		line, err := f.lines.ReadString('\n')
		line = strings.TrimSuffix(line, "\n")
		if err != nil || line == "" {
			return strings.Join(lines, "\n")
		}
		lines = append(lines, line)
	}
}

// event is the next event.
func (f *follower) event(t *testing.T) Event {
	t.Helper()
	lines := strings.Split(f.message(t), "\n")
	var e Event
	if len(lines) != 3 || !strings.HasPrefix(lines[2], "data: ") {
		t.Fatalf("got %q, want id, event and data", lines)
	}
	if err := json.Unmarshal([]byte(strings.TrimPrefix(lines[2], "data: ")), &e); err != nil {
		t.Fatalf("got %q: %v", lines, err)
	}
	if lines[0] != fmt.Sprintf("id: %d", e.ID) || lines[1] != "event: "+e.Kind {
		t.Errorf("got %q, want id and event as in the data", lines)
	}
	return e
}

func TestEventsArriveAtOnce(t *testing.T) {
	t.Parallel()
	inMemory(t, func(t *testing.T, r *running, l *memoryListener) {
		r.Publish(Event{Kind: "pending", Name: "before.example."})
		a, b := follow(t, l, ""), follow(t, l, "")
		began := time.Now()
		took := Duration(3 * time.Second)
		r.Publish(Event{Kind: "visible", Name: "www.example.", Type: "A", Took: &took})
		r.Publish(Event{Kind: "pending", Name: "two.example."})
		for _, f := range []*follower{a, b} {
			first, second := f.event(t), f.event(t)
			if first.Name != "www.example." || *first.Took != took || second.Name != "two.example." || second.ID != first.ID+1 {
				t.Errorf("got %+v and %+v, want the two events from after the beginning", first, second)
			}
		}
		if got := time.Since(began); got != 0 {
			t.Errorf("got them after %v", got)
		}
	})
}

// TestStreamsOutliveTheTimeoutsOfTheServer also sees that a client is told every 15 s that it is still there.
func TestStreamsOutliveTheTimeoutsOfTheServer(t *testing.T) {
	t.Parallel()
	inMemory(t, func(t *testing.T, r *running, l *memoryListener) {
		f := follow(t, l, "")
		began := time.Now()
		for n := range 40 {
			if got := f.message(t); got != ": " {
				t.Fatalf("got %q, want a heartbeat", got)
			}
			if got, want := time.Since(began), time.Duration(n+1)*heartbeat; got != want {
				t.Fatalf("got a heartbeat after %v, want %v", got, want)
			}
		}
		r.Publish(Event{Kind: "pending"})
		if got := f.event(t); got.Kind != "pending" {
			t.Errorf("got %+v after ten minutes", got)
		}
	})
}

func TestClientThatComesBackGetsWhatItMissed(t *testing.T) {
	t.Parallel()
	inMemory(t, func(t *testing.T, r *running, l *memoryListener) {
		first := r.feed.end() + 1
		for n := range uint64(10) {
			r.Publish(Event{Kind: "pending", Name: fmt.Sprint("n", n)})
		}
		f := follow(t, l, fmt.Sprint(first+6))
		for _, want := range []string{"n7", "n8", "n9"} {
			if got := f.event(t); got.Name != want {
				t.Errorf("got %+v, want %s", got, want)
			}
		}
		r.Publish(Event{Kind: "pending", Name: "n10"})
		if got := f.event(t); got.Name != "n10" {
			t.Errorf("got %+v, want n10", got)
		}
		f = follow(t, l, fmt.Sprint(first+10))
		r.Publish(Event{Kind: "pending", Name: "n11"})
		if got := f.event(t); got.Name != "n11" {
			t.Errorf("got %+v, want n11: it had all that there was", got)
		}
	})
}

func TestClientThatComesBackTooLateIsToldWhatIsLost(t *testing.T) {
	t.Parallel()
	inMemory(t, func(t *testing.T, r *running, l *memoryListener) {
		first := r.feed.end() + 1
		const all = maxReplay + 100
		for n := range all {
			r.Publish(Event{Kind: "pending", Name: fmt.Sprint("n", n)})
		}
		for _, tt := range []struct {
			name string
			last uint64
			lost int
			why  string
		}{
			{"too old", first + 10, 89, ""},
			{"just too old", first + 98, 1, ""},
			{"from a process before", first - 2, 0, "notyet was restarted"},
			{"1", 1, 0, "notyet was restarted"},
			{"not given yet", first + all, 0, "notyet was restarted"},
		} {
			f := follow(t, l, fmt.Sprint(tt.last))
			if got := f.event(t); got.Kind != "lost" || got.Lost != tt.lost || got.Why != tt.why || got.ID != first+99 {
				t.Errorf("%s: got %+v, want %d lost, %q", tt.name, got, tt.lost, tt.why)
			}
			for n := 100; n < all; n++ {
				if got := f.event(t); got.Name != fmt.Sprint("n", n) {
					t.Fatalf("%s: got %+v, want n%d", tt.name, got, n)
				}
			}
			f.Close()
		}
		f := follow(t, l, fmt.Sprint(first+99))
		if got := f.event(t); got.Name != "n100" {
			t.Errorf("got %+v, want n100: nothing is lost", got)
		}
	})
}

func TestBadLastEventID(t *testing.T) {
	t.Parallel()
	c, _ := withAPI(t)
	r := start(t, c)
	for _, id := range []string{"x", "-1", "1.5", "18446744073709551615", "18446744073709551616"} {
		response, body := r.send(t, "GET", "/api/v1/events", "", "Last-Event-ID: "+id)
		wantProblem(t, id, response, body, 400, "write the id of an event, or leave it out")
	}
}

// TestSlowClientLosesEventsAndIsTold has one that takes nothing for a while, but less than makes it stall.
func TestSlowClientLosesEventsAndIsTold(t *testing.T) {
	t.Parallel()
	inMemory(t, func(t *testing.T, r *running, l *memoryListener) {
		f := follow(t, l, "")
		synctest.Wait()
		r.Publish(Event{Kind: "pending", Name: "first"})
		synctest.Wait() // it is being written
		const missed = maxReplay + 500
		for n := range missed {
			r.Publish(Event{Kind: "pending", Name: fmt.Sprint("n", n)})
		}
		time.Sleep(stallTimeout - time.Second)
		if got := f.event(t); got.Name != "first" {
			t.Fatalf("got %+v", got)
		}
		if got := f.event(t); got.Kind != "lost" || got.Lost != 500 {
			t.Fatalf("got %+v, want 500 lost", got)
		}
		for n := 500; n < missed; n++ {
			if got := f.event(t); got.Name != fmt.Sprint("n", n) {
				t.Fatalf("got %+v, want n%d", got, n)
			}
		}
	})
}

// TestClientsThatStallAreDropped has a hundred, half of which take nothing: the others hear all, and none holds anything up.
func TestClientsThatStallAreDropped(t *testing.T) {
	t.Parallel()
	inMemory(t, func(t *testing.T, r *running, l *memoryListener) {
		registry := prometheus.NewPedanticRegistry()
		registry.MustRegister(r.Metrics()...)
		gauge := func() (streams, limit float64) {
			families, err := registry.Gather()
			if err != nil || len(families) != 2 {
				t.Fatalf("gather: %v, %v", families, err)
			}
			return families[0].GetMetric()[0].GetGauge().GetValue(), families[1].GetMetric()[0].GetGauge().GetValue()
		}
		var live, stalled []*follower
		for range 50 {
			live = append(live, follow(t, l, ""))
			stalled = append(stalled, follow(t, l, ""))
		}
		if streams, limit := gauge(); streams != 100 || limit != maxStreams {
			t.Errorf("got %v of %v streams, want 100 of %d", streams, limit, maxStreams)
		}
		began := time.Now()
		for n := range 3 {
			r.Publish(Event{Kind: "pending", Name: fmt.Sprint("n", n)})
			for _, f := range live {
				if got := f.event(t); got.Name != fmt.Sprint("n", n) {
					t.Fatalf("got %+v, want n%d", got, n)
				}
			}
			if status := statusOf(t, l.connect(t), "GET /api/v1/status HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"); status != 200 {
				t.Errorf("got status %d while some stall", status)
			}
		}
		if got := time.Since(began); got != 0 {
			t.Errorf("it took %v to tell the others", got)
		}
		time.Sleep(stallTimeout)
		synctest.Wait()
		if streams, _ := gauge(); streams != 50 {
			t.Errorf("got %v streams after %v, want only those that read", streams, stallTimeout)
		}
		for _, f := range stalled {
			f.Close()
		}
		for _, f := range live {
			go io.Copy(io.Discard, f.lines)
		}
		if took := r.stopped(); took > stopTimeout/10 { // Shutdown looks again and again
			t.Errorf("got Run's return after %v, want it at once: streams end with it", took)
		}
	})
}

// TestStopWithStalledClients has Run end, and with it every goroutine, though nobody reads.
func TestStopWithStalledClients(t *testing.T) {
	t.Parallel()
	inMemory(t, func(t *testing.T, r *running, l *memoryListener) {
		for range 100 {
			follow(t, l, "")
		}
		r.Publish(Event{Kind: "pending"})
		synctest.Wait()
		if took := r.stopped(); took > stopTimeout {
			t.Errorf("got Run's return after %v, want %v at most", took, stopTimeout)
		}
		if got := r.streams.Load(); got != 0 {
			t.Errorf("got %d streams left", got)
		}
	})
}

func TestStreamsAreBounded(t *testing.T) {
	t.Parallel()
	inMemory(t, func(t *testing.T, r *running, l *memoryListener) {
		var all []*follower
		for range maxStreams {
			all = append(all, follow(t, l, ""))
		}
		const ask = "GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
		c := l.connect(t)
		go io.WriteString(c, ask)
		response, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(response.Body)
		wantProblem(t, "one too many", response, string(body), 503, "256 clients follow the events")
		if response.Header.Get("Retry-After") == "" {
			t.Errorf("got no Retry-After")
		}
		all[0].Close()
		synctest.Wait()
		follow(t, l, "") // there is a place again
	})
}
