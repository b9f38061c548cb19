package main

import (
	"context"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"time"

	"notyet/admin"
)

func TestDemoGivesItsTimesAsJSON(t *testing.T) {
	t.Parallel()
	var stdout, stderr strings.Builder
	began := time.Now()
	if code := run(t.Context(), []string{"demo", "--fast", "--json"}, &stdout, &stderr); code != 0 || stderr.Len() > 0 {
		t.Fatalf("exit code %d: %s", code, stderr.String())
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %v, want less than 5s", took)
	}
	var got struct {
		Name              string
		NegativeTTL       admin.Duration `json:"negative_ttl"`
		Published, InSync admin.Duration
		Servers           map[string]admin.Duration
		Notyet, Plain     admin.Duration
	}
	d := json.NewDecoder(strings.NewReader(stdout.String()))
	d.DisallowUnknownFields()
	if err := d.Decode(&got); err != nil {
		t.Fatalf("%v: %s", err, stdout.String())
	}
	switch seconds := func(d admin.Duration) float64 { return time.Duration(d).Seconds() }; {
	case got.Name != "pr-7.preview.example.com.", seconds(got.NegativeTTL) != 3, seconds(got.Published) < 0.5,
		len(got.Servers) != 4, seconds(got.Servers["ns4"]) <= 0, seconds(got.InSync) < 1.2,
		seconds(got.Notyet) < 0.2, seconds(got.Plain) < 2, got.Notyet >= got.Plain:
		t.Errorf("got %s", stdout.String())
	}
}

func TestDemoEndsAtOnceWhenInterrupted(t *testing.T) {
	t.Parallel()
	p := startRun(t, func(ctx context.Context, stdout, stderr *output) int {
		return run(ctx, []string{"demo"}, stdout, stderr)
	})
	for line := range p.stdout.lines {
		if strings.Contains(line, "notyet  NXDOMAIN") {
			break
		}
	}
	began := time.Now()
	if code := p.stopped(); code != 1 || p.stderr.String() != "notyet: interrupted\n" {
		t.Errorf("got exit code %d and %q, want 1 and that it was interrupted", code, p.stderr)
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("it went on for %v", took)
	}
}

func TestDemoThatCannotWriteFails(t *testing.T) {
	t.Parallel()
	var stderr strings.Builder
	_, w := io.Pipe()
	w.Close()
	if code := run(t.Context(), []string{"demo"}, w, &stderr); code != 1 || stderr.String() != "notyet: io: read/write on closed pipe\n" {
		t.Errorf("got exit code %d and %q", code, stderr.String())
	}
}
