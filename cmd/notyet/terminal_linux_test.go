package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// pty opens a terminal of a size, and what a person sees of it.
func pty(t *testing.T, columns, rows int) (terminal, screen *os.File) {
	t.Helper()
	screen, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { screen.Close() })
	n, err := unix.IoctlGetInt(int(screen.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(screen.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		err = unix.IoctlSetWinsize(int(screen.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: uint16(rows), Col: uint16(columns)})
	}
	if err == nil {
		terminal, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { terminal.Close() })
	return terminal, screen
}

func TestTerminalIsKnownAsOne(t *testing.T) {
	tty, _ := pty(t, 97, 31)
	t.Setenv("TERM", "xterm")
	found, ok := terminalOf(tty)
	if columns, rows := found.size(); !ok || columns != 97 || rows != 31 {
		t.Errorf("got %d×%d, %v, want 97×31", columns, rows, ok)
	}
	t.Setenv("TERM", "dumb")
	if _, ok := terminalOf(tty); ok {
		t.Error("a dumb terminal was taken for one that lines can be written anew on")
	}
}

func TestFileIsNoTerminal(t *testing.T) {
	t.Parallel()
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	for _, w := range []io.Writer{null, new(bytes.Buffer)} {
		if _, ok := terminalOf(w); ok {
			t.Errorf("%T was taken for a terminal", w)
		}
	}
}

func TestTerminalWithoutASizeHasTheUsualOne(t *testing.T) {
	t.Parallel()
	tty, _ := pty(t, 0, 0)
	if columns, rows := (terminal{tty}).size(); columns != 80 || rows != 24 {
		t.Errorf("got %d×%d, want 80×24", columns, rows)
	}
}
