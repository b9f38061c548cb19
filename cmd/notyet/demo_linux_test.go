package main

import (
	"context"
	"strings"
	"testing"
)

func TestDemoDrawsOnATerminal(t *testing.T) {
	t.Setenv("TERM", "xterm")
	for _, noColour := range []string{"", "1"} {
		t.Setenv("NO_COLOR", noColour)
		tty, screen := pty(t, 80, 40)
		ctx, cancel := context.WithCancel(t.Context())
		var text strings.Builder
		read := make(chan struct{})
		go func() {
			defer close(read)
			defer cancel()
			// The second frame goes back to where the first began.
			for b := make([]byte, 1024); !strings.Contains(text.String(), "\x1b[13A"); {
				n, err := screen.Read(b)
				if err != nil { // nobody has the terminal open any more
					return
				}
				text.Write(b[:n])
			}
		}()
		var stderr strings.Builder
		if code := run(ctx, []string{"demo"}, tty, &stderr); code != 1 || stderr.String() != "notyet: interrupted\n" {
			t.Errorf("exit code %d: %s", code, stderr.String())
		}
		tty.Close()
		<-read
		seen := text.String()
		if !strings.Contains(seen, "\x1b[13A") {
			t.Errorf("got %q, want frames that take each other's place", seen)
		}
		if got := strings.Contains(seen, "\x1b[31m"); got != (noColour == "") {
			t.Errorf("NO_COLOR=%s: got colours %v", noColour, got)
		}
	}
}
