package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// stuck is a writer that takes nothing while somebody holds its token.
type stuck struct {
	io.Writer
	token chan struct{} // one
}

func stuckWriter(w io.Writer) stuck {
	s := stuck{w, make(chan struct{}, 1)}
	s.token <- struct{}{}
	return s
}

func (s stuck) Write(b []byte) (int, error) {
	<-s.token
	defer func() { s.token <- struct{}{} }()
	return s.Writer.Write(b)
}

func TestLogLosesLinesRatherThanWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var text strings.Builder
		to := stuckWriter(&text)
		w := newLogWriter(to)
		fmt.Fprintln(w, "before")
		if got := text.String(); got != "before\n" {
			t.Errorf("before begin: got %q written, want it at once", got)
		}
		end := w.begin()
		<-to.token
		fmt.Fprintln(w, "first")
		synctest.Wait() // it is being written
		const lost = 10
		for i := range logBacklog + lost {
			fmt.Fprintln(w, i)
		}
		if got := testutil.ToFloat64(w.drops); got != lost {
			t.Errorf("got %v lines lost, want %d", got, lost)
		}
		to.token <- struct{}{}
		end()
		fmt.Fprintln(w, "after")
		lines := strings.Fields(text.String())
		if len(lines) != logBacklog+3 || lines[1] != "first" || lines[2] != "0" || lines[logBacklog+2] != "after" {
			t.Errorf("got %d lines, from %q to %q, want all that there was room for, in order", len(lines), lines[:3], lines[len(lines)-1])
		}
	})
}

func TestLogThatIsStuckHoldsUpTheEndForASecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		to := stuckWriter(io.Discard)
		w := newLogWriter(to)
		end := w.begin()
		<-to.token
		fmt.Fprintln(w, "line")
		began := time.Now()
		end()
		if got := time.Since(began); got != logGrace {
			t.Errorf("got an end after %v, want it after %v", got, logGrace)
		}
		to.token <- struct{}{}
	})
}

// TestLinesToSpareWaitAndLetTheOthersThrough has somebody write lines without a pause.
func TestLinesToSpareWaitAndLetTheOthersThrough(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var text strings.Builder
		to := stuckWriter(&text)
		w := newLogWriter(to)
		end := w.begin()
		defer end()
		<-to.token
		ctx, stop := context.WithCancel(t.Context())
		written := 0
		go func() {
			for spare := w.waiting(ctx.Done()); ctx.Err() == nil; written++ {
				fmt.Fprintln(spare, "spare")
			}
		}()
		synctest.Wait()
		if written != 1 { // which the stuck writer has
			t.Errorf("got %d lines taken while nothing is written, want 1", written)
		}
		const others = 100
		for range others {
			fmt.Fprintln(w, "other")
		}
		lines := 0
		for lines < 2*others {
			synctest.Wait() // it waits for the token
			to.token <- struct{}{}
			<-to.token
			lines = strings.Count(text.String(), "\n")
		}
		if got := strings.Count(text.String(), "other"); got < others-1 {
			t.Errorf("got %d lines of the others among the first %d, want half", got, lines)
		}
		if got := testutil.ToFloat64(w.drops); got != 0 {
			t.Errorf("got %v lines lost, want none", got)
		}
		stop()
		synctest.Wait() // it no longer waits
		to.token <- struct{}{}
	})
}

// TestLogThatNobodyReadsHoldsUpNoAnswer has an upstream that is not there, which is told.
func TestLogThatNobodyReadsHoldsUpNoAnswer(t *testing.T) {
	t.Parallel()
	nobody, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody.Close()
	var to stuck
	p := startRun(t, func(ctx context.Context, stdout, stderr *output) int {
		to = stuckWriter(stderr)
		return run(ctx, []string{"serve", "--listen=127.0.0.1:0", "--admin=", "--query-log=all", "--upstream=" + nobody.LocalAddr().String()}, stdout, to)
	})
	p.addr = p.line(t, "listening")["addr"].(string)
	<-to.token
	goOn := sync.OnceFunc(func() { to.token <- struct{}{} })
	defer goOn()
	for i := range 5 {
		for _, network := range []string{"udp", "tcp"} {
			qname := fmt.Sprintf("%s-%d.example.com.", network, i)
			if m := p.ask(t, network, qname, dns.TypeA); m.Rcode != dns.RcodeServerFailure {
				t.Errorf("%s: got %s, want SERVFAIL", qname, dns.RcodeToString[m.Rcode])
			}
		}
	}
	goOn()
	p.line(t, "upstream lost")
	p.line(t, "query")
	if code := p.stopped(); code != 0 {
		t.Errorf("got exit code %d, want 0: %s", code, p.stderr)
	}
}

// TestLogWhoseReaderHasGoneEndsNothing has the real binary write to a pipe.
func TestLogWhoseReaderHasGoneEndsNothing(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("no process can be sent these signals")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience) // kills it if nothing else does
	defer cancel()
	cmd := exec.CommandContext(ctx, "notyet", "serve", "--listen=127.0.0.1:0", "--admin=127.0.0.1:0", "--upstream="+upstreamOf(t, addressOf).addr)
	log, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	defer func() {
		cancel()
		<-ended
	}()
	p, lines := new(program), bufio.NewScanner(log)
	for (p.addr == "" || p.admin == "") && lines.Scan() {
		var line struct{ Msg, Addr string }
		_ = json.Unmarshal(lines.Bytes(), &line)
		switch line.Msg {
		case "listening":
			p.addr = line.Addr
		case "admin listening":
			p.admin = line.Addr
		}
	}
	log.Close()
	go func() { ended <- cmd.Wait() }()
	if err := cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	for told := false; !told && ctx.Err() == nil; {
		_, body := p.get(t, "/metrics")
		told = strings.Contains(body, "\nnotyet_log_drops_total ") && !strings.Contains(body, "\nnotyet_log_drops_total 0\n")
	}
	if m := p.ask(t, "udp", "www.example.com.", dns.TypeA); len(m.Answer) != 1 {
		t.Errorf("got %v once nobody reads the log, want the answer", m)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	err = <-ended
	ended <- err
	if err != nil {
		t.Errorf("stopped: got %v, want exit code 0", err)
	}
}
