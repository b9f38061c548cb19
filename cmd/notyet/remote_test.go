package main

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"notyet/admin"
)

func TestFailedCallsHaveARemedy(t *testing.T) {
	t.Parallel()
	address, token := "127.0.0.1:8053", "token"
	for _, tt := range []struct {
		name   string
		remote remote
		err    error
		want   string // the second line; empty: there is none
	}{
		{"nobody there", remote{address: &address}, admin.ErrNoServer, "that is the address of --admin: start \"notyet serve\""},
		{"somebody else's socket", remote{address: &address}, fs.ErrPermission, "run this as the user of that notyet"},
		{"no token", remote{address: &address}, &admin.Problem{Status: http.StatusUnauthorized}, "name the file with it with --admin-token-file"},
		{"wrong token", remote{address: &address, tokenFile: &token}, &admin.Problem{Status: http.StatusUnauthorized}, ""},
		{"no such lease", remote{address: &address}, &admin.Problem{Status: http.StatusNotFound}, ""},
	} {
		err := tt.remote.failed(tt.err)
		_, remedy, _ := strings.Cut(err.Error(), "\n")
		if _, is := err.(failure); !is || !errors.Is(err.(failure).error, tt.err) || !strings.HasPrefix(remedy, tt.want) || (remedy == "") != (tt.want == "") {
			t.Errorf("%s: got %v, want a failure with %q", tt.name, err, tt.want)
		}
	}
}

func TestCompletionDoesNotWaitForAServerThatStalls(t *testing.T) {
	t.Parallel()
	asked := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(asked)
		<-r.Context().Done() // the client has given up
	}))
	defer s.Close()
	p := startRun(t, func(ctx context.Context, stdout, stderr *output) int {
		return run(ctx, []string{"__complete", "watch", "remove", "--admin", s.Listener.Addr().String(), ""}, stdout, stderr)
	})
	<-asked
	select {
	case <-p.done:
	case <-time.After(5 * time.Second): // half of what other calls may take
		t.Fatal("it still waits")
	}
	if got := p.stdout.String(); p.code != 0 || got != ":4\n" {
		t.Errorf("got exit code %d and %q, want 0 and nothing offered", p.code, got)
	}
}
