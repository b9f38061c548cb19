//go:build e2e && linux

package e2e

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

func TestDemoShowsTheDifference(t *testing.T) {
	t.Parallel()
	began := time.Now()
	out, err := exec.Command(notyetBinary, "demo", "--json").Output()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("it took %v, want less than 30s", took)
	}
	var got struct{ Notyet, Plain, InSync string }
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	length := func(s string) time.Duration {
		d, err := time.ParseDuration(s)
		if err != nil {
			t.Errorf("%v: %s", err, out)
		}
		return d
	}
	// The first name server has the record 0.8 s after it was published, and notyet asks two of them every second.
	if got := length(got.Notyet); got < 800*time.Millisecond || got > 4*time.Second {
		t.Errorf("notyet had the record after %v", got)
	}
	if got := length(got.Plain); got < 17*time.Second || got > 20*time.Second {
		t.Errorf("the plain resolver had the record after %v", got)
	}
}

func TestDemoEndsWithASignal(t *testing.T) {
	t.Parallel()
	var stderr strings.Builder
	cmd := exec.Command(notyetBinary, "demo")
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	for b := make([]byte, 1024); !strings.Contains(text.String(), "notyet  NXDOMAIN"); {
		n, err := stdout.Read(b)
		if err != nil {
			t.Fatalf("%v after %s", err, text.String())
		}
		text.Write(b[:n])
	}
	began := time.Now()
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 130 || stderr.String() != "notyet: interrupted\n" {
		t.Errorf("got exit code %d and %q, want 130 and that it was interrupted", code, stderr.String())
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("it went on for %v", took)
	}
}
