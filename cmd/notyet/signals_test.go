package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// waitTwice is a program that the first signal does not end.
func waitTwice() {
	ctx := interruptible(context.Background())
	fmt.Println("waiting")
	<-ctx.Done()
	fmt.Println("stopping")
	_, _ = io.Copy(io.Discard, os.Stdin) // until the test is gone
}

func TestFirstSignalCancelsAndSecondEndsTheProcess(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("no process can be sent these signals")
	}
	for _, sig := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		t.Run(sig.String(), func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), patience) // kills it if nothing else does
			defer cancel()
			cmd := exec.CommandContext(ctx, "interruptible")
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			in, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			defer in.Close()
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			lines := bufio.NewScanner(out)
			for _, want := range []string{"waiting", "stopping"} {
				if !lines.Scan() || lines.Text() != want {
					t.Fatalf("got %q, want %q", lines.Text(), want)
				}
				if err := cmd.Process.Signal(sig); err != nil {
					t.Fatal(err)
				}
			}
			_ = cmd.Wait() // its state says more
			if status := cmd.ProcessState.Sys().(syscall.WaitStatus); status.Signal() != sig {
				t.Errorf("after the second %v: %v, want the process ended by it", sig, cmd.ProcessState)
			}
		})
	}
}

// TestSignalHasAnExitCodeOfItsOwn interrupts commands that would go on for some time.
func TestSignalHasAnExitCodeOfItsOwn(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("no process can be sent these signals")
	}
	for _, args := range [][]string{
		{"wait", "www.example.com", "--upstream"}, {"explain", "www.example.com", "--upstream"}, {"demo"},
	} {
		for sig, want := range map[os.Signal]int{os.Interrupt: 130, syscall.SIGTERM: 143} {
			t.Run(args[0]+" "+sig.String(), func(t *testing.T) {
				t.Parallel()
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				defer cancel()
				if args[0] == "demo" {
					cmd := exec.CommandContext(ctx, "notyet", args...)
					out, err := cmd.StdoutPipe()
					if err != nil {
						t.Fatal(err)
					}
					wantStopped(t, cmd, sig, want, func() {
						bufio.NewScanner(out).Scan()
						go io.Copy(io.Discard, out)
					})
					return
				}
				silent, err := net.ListenPacket("udp", "127.0.0.1:0")
				if err != nil {
					t.Fatal(err)
				}
				defer silent.Close()
				_ = silent.SetReadDeadline(time.Now().Add(patience))
				cmd := exec.CommandContext(ctx, "notyet", append(args[:len(args):len(args)], silent.LocalAddr().String())...)
				wantStopped(t, cmd, sig, want, func() { _, _, _ = silent.ReadFrom(make([]byte, 1)) })
			})
		}
	}
}

// wantStopped starts a command, and sends it a signal once it is at work.
func wantStopped(t *testing.T, cmd *exec.Cmd, sig os.Signal, code int, atWork func()) {
	t.Helper()
	var stderr strings.Builder
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	atWork()
	if err := cmd.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // its state says more
	if got := cmd.ProcessState.ExitCode(); got != code || !strings.HasPrefix(stderr.String(), "notyet: ") || !strings.Contains(stderr.String(), "interrupted") {
		t.Errorf("got exit code %d and %q, want %d and that it was interrupted", got, stderr.String(), code)
	}
}
