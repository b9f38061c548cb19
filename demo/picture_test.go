package demo

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"
)

var colourCode = regexp.MustCompile(`\x1b\[[0-9]*m`)

// pictures are what is written in the course of a story, first the text before the first frame.
func pictures(t *testing.T, c Config) []string {
	t.Helper()
	var all written
	c.Out = &all
	if _, _, err := inMemory(t, t.Context(), c); err != nil {
		t.Fatal(err)
	}
	return all
}

// written has an element for each call of Write.
type written []string

func (w *written) Write(b []byte) (int, error) {
	*w = append(*w, string(b))
	return len(b), nil
}

// terminal is the size of one.
func terminal(columns, rows int) func() (int, int) {
	return func() (int, int) { return columns, rows }
}

// rowsOf are a frame's, without what moves the cursor.
func rowsOf(frame string) []string {
	_, frame, _ = strings.Cut(frame, "\r")
	frame = strings.TrimSuffix(strings.NewReplacer("\r", "", "\x1b[K", "", "\x1b[J", "").Replace(frame), "\n")
	return strings.Split(frame, "\n")
}

func TestStoryAsAPicture(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		file    string
		columns int
	}{{"wide.txt", 200}, {"columns80.txt", 80}, {"columns60.txt", 60}, {"columns50.txt", 50}} {
		t.Run(tc.file, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				all := pictures(t, Config{Size: terminal(tc.columns, 40)})
				frames, end := all[1:len(all)-1], all[len(all)-1]
				var shown strings.Builder
				shown.WriteString(all[0])
				for _, moment := range []int{5, 24, 40, 100, len(frames) - 1} { // tenths of a second
					shown.WriteString(strings.Join(rowsOf(frames[moment]), "\n") + "\n----\n")
				}
				shown.WriteString(end)
				golden(t, tc.file, shown.String())
				for line := range strings.Lines(shown.String()) {
					if n := utf8.RuneCountInString(line); n > tc.columns && !strings.Contains(line, " serve ") && !strings.Contains(line, " dig ") {
						t.Errorf("line %q: got %d columns, want less than %d", line, n-1, tc.columns)
					}
				}
			})
		})
	}
}

func TestFrameTakesThePlaceOfTheOneBefore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		all := pictures(t, Config{Fast: true, Size: terminal(50, 24)})
		frames := all[1 : len(all)-1]
		if len(frames) != 31 {
			t.Fatalf("got %d frames, want one each tenth of 3 s", len(frames))
		}
		heights := make(map[int]bool)
		for i, frame := range frames {
			heights[strings.Count(frame, "\n")] = true
			up := ""
			if i > 0 {
				up = fmt.Sprintf("\x1b[%dA", strings.Count(frames[i-1], "\n"))
			}
			if !strings.HasPrefix(frame, up+"\r ") || !strings.HasSuffix(frame, "\n\x1b[J") {
				t.Errorf("frame %d: got %q, want the cursor to go back by %q", i, frame, up)
			}
		}
		if len(heights) < 2 {
			t.Errorf("got frames of %v rows, want some that are higher", heights)
		}
	})
}

func TestColoursChangeNothingElse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		plain := pictures(t, Config{Fast: true, Size: terminal(80, 24)})
		painted := pictures(t, Config{Fast: true, Size: terminal(80, 24), Colour: true})
		coloured := 0
		for i := range plain {
			if colourCode.MatchString(plain[i]) {
				t.Errorf("without colours: got %q", plain[i])
			}
			if colourCode.MatchString(painted[i]) {
				coloured++
			}
			if got := colourCode.ReplaceAllString(painted[i], ""); got != plain[i] && i > 0 { // the ports differ in the first
				t.Errorf("got %q, want %q", got, plain[i])
			}
		}
		if coloured != 31 {
			t.Errorf("got %d coloured writes, want all 31 frames", coloured)
		}
	})
}

func TestTerminalThatIsTooSmallGetsLines(t *testing.T) {
	t.Parallel()
	for _, size := range [][2]int{{narrowest - 1, 40}, {80, lowest - 1}, {20, 5}} {
		synctest.Test(t, func(t *testing.T) {
			text := strings.Join(pictures(t, Config{Fast: true, Size: terminal(size[0], size[1]), Colour: true}), "")
			if strings.Contains(text, "\x1b") || !strings.Contains(text, "0.7 s  ns3     has it\n") {
				t.Errorf("%d×%d: got %q", size[0], size[1], text)
			}
		})
	}
}

func TestTerminalThatChangesItsWidthGetsFramesOfThatWidth(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		size := func() (int, int) {
			if time.Since(began) < time.Second {
				return 100, 40
			}
			return 30, 40
		}
		all := pictures(t, Config{Fast: true, Size: size})
		widths := map[int]bool{}
		for _, frame := range all[1 : len(all)-1] {
			widths[utf8.RuneCountInString(rowsOf(frame)[0])] = true
		}
		if len(widths) != 2 || !widths[97] || !widths[47] {
			t.Errorf("got rows of %v columns, want 97, and then 47: less cannot be drawn", widths)
		}
	})
}

func TestServerThatDoesNotAnswerIsDrawnAsThat(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &scene{pace: paceOf(true), now: time.Second}
		s.rows = make([]row, 6)
		s.rows[5].name = "notyet"
		s.rows[5].take(said{verdict: no}, 0)
		s.rows[5].take(said{}, 500*time.Millisecond)
		rows := (&picture{}).draw(s, 80)
		if got := rows[8]; !strings.HasPrefix(got, "notyet  ······") || !strings.Contains(got, "·?") || !strings.HasSuffix(got, "no answer") {
			t.Errorf("got %q", got)
		}
	})
}

func TestInterruptedPictureLeavesAnEmptyLine(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var all written
		ctx, cancel := context.WithTimeout(t.Context(), time.Second+time.Millisecond)
		defer cancel()
		_, _, err := inMemory(t, ctx, Config{Out: &all, Size: terminal(80, 24)})
		if last := all[len(all)-1]; !errors.Is(err, ErrInterrupted) || last != "\r\x1b[K" {
			t.Errorf("got %v after %q, want the line of the cursor to be cleared", err, last)
		}
	})
}
