package main

import (
	"io"
	"os"
	"runtime"

	"golang.org/x/term"
)

// terminal is one that understands the usual escape sequences. The zero value is none.
type terminal struct{ file *os.File }

// terminalOf returns the terminal that w writes to, if it is one where lines can be written anew.
func terminalOf(w io.Writer) (t terminal, ok bool) {
	if s, ok := w.(*sink); ok {
		w = s.to
	}
	file, isFile := w.(*os.File)
	// A Windows console has to be told first, and a dumb terminal only knows lines.
	if !isFile || runtime.GOOS == "windows" || os.Getenv("TERM") == "dumb" || !term.IsTerminal(int(file.Fd())) {
		return terminal{}, false
	}
	return terminal{file}, true
}

// size is what the terminal has room for now. One that does not say has 80 columns and 24 rows.
func (t terminal) size() (columns, rows int) {
	columns, rows, err := term.GetSize(int(t.file.Fd()))
	if err != nil || columns <= 0 || rows <= 0 {
		return 80, 24
	}
	return columns, rows
}

// coloured reports whether people want colours on a terminal (no-color.org).
func coloured() bool { return os.Getenv("NO_COLOR") == "" }
