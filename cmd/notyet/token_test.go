package main

import (
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func TestTokenFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "token")
	log := slog.New(slog.DiscardHandler)
	if got, err := readToken(path, log); got != "" || err == nil || !strings.HasPrefix(err.Error(), "admin_token_file ") {
		t.Errorf("got %q, %v for a file that is not there", got, err)
	}
	if got, err := readToken("", log); got != "" || err != nil {
		t.Errorf("got %q, %v without a file", got, err)
	}
}

func TestTokenThatEverybodyCanReadIsTold(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("modes say nothing there")
	}
	path := filepath.Join(t.TempDir(), "token")
	for mode, want := range map[os.FileMode]bool{0o600: false, 0o640: false, 0o644: true, 0o604: true} {
		if err := os.WriteFile(path, []byte("0123456789abcdef"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		var log strings.Builder
		if _, err := readToken(path, slog.New(slog.NewTextHandler(&log, nil))); err != nil {
			t.Fatal(err)
		}
		if told := strings.Contains(log.String(), "chmod o= "+path); told != want {
			t.Errorf("mode %v: got %q, want it told: %v", mode, log.String(), want)
		}
	}
}

func TestProgramAsksForItsToken(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(path, []byte("0123456789abcdef\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := startWith(t, "upstreams: [192.0.2.1]\nadmin_token_file: "+path)
	if status, body := p.get(t, "/api/v1/status"); status != 401 || strings.Contains(body, "0123") {
		t.Errorf("got %d %s without the token", status, body)
	}
	request, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+p.admin+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer 0123456789abcdef")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, _ := io.ReadAll(response.Body)
	for _, want := range []string{"notyet_admin_streams 0", "notyet_admin_streams_limit 256", "notyet_watch_leases 0", "notyet_watch_leases_limit 10000"} {
		if !strings.Contains(string(body), "\n"+want+"\n") {
			t.Errorf("got no %s in the metrics", want)
		}
	}
}
