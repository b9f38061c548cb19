package main

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"testing/synctest"
	"time"
)

// TestServiceManagerHearsWhatHappens follows the messages from the start over three reloads to the stop.
func TestServiceManagerHearsWhatHappens(t *testing.T) {
	t.Parallel()
	u := upstreamOf(t, addressOf)
	file := filepath.Join(t.TempDir(), "notyet.yaml")
	good := "upstreams: [" + u.addr + "]\nadmin: \"\"\n"
	put(t, file, good)
	told, hangup := make(chan string, 10), make(chan os.Signal)
	s := &settings{file: &file, listen: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}}
	from := source{
		load: s.config, resolvConf: os.DevNull, hangup: hangup,
		manager: manager{notify: func(state string) { told <- state }},
	}
	p := startRun(t, func(ctx context.Context, _, stderr *output) int {
		if err := serve(ctx, from, stderr); err != nil {
			fmt.Fprintln(stderr, err)
			return 1
		}
		return 0
	})
	addr := p.line(t, "listening")["addr"].(string)
	hears := func(want string) {
		t.Helper()
		select {
		case got := <-told:
			if !regexp.MustCompile("^" + want + "$").MatchString(got) {
				t.Errorf("the service manager heard %q, want %q", got, want)
			}
		case <-time.After(patience):
			t.Fatalf("the service manager did not hear %q", want)
		}
	}
	answering := `READY=1\nSTATUS=Answering on ` + regexp.QuoteMeta(addr)
	hears(answering)
	for _, reload := range []struct{ file, want string }{
		{good + "log: error\n", answering},
		{"no_such_key: 1\n", `READY=1\nSTATUS=The configuration has a fault.*`},
		{good, answering},
	} {
		put(t, file, reload.file)
		hangup <- os.Interrupt // any signal
		hears(`RELOADING=1\n(MONOTONIC_USEC=\d+\n)?`)
		hears(reload.want)
	}
	if code := p.stopped(); code != 0 {
		t.Errorf("got exit code %d, want 0: %s", code, p.stderr)
	}
	hears("STOPPING=1")
	if len(told) > 0 {
		t.Errorf("the service manager heard more: %q", <-told)
	}
}

func TestWhatIsToldAtTheStopIsToldBeforeTheEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		told := false
		end := onStop(ctx, func() {
			time.Sleep(time.Second)
			told = true
		})
		stop()
		end()
		if !told {
			t.Error("got the end before it was told")
		}
		onStop(t.Context(), func() { t.Error("told without a stop") })()
	})
}
