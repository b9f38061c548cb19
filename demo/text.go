package demo

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// widest is how many columns text takes at most: longer lines are hard to read.
const widest = 80

// wrapped breaks text into lines of at most width columns, of which all but the first are indented. Words that are longer stay
// whole.
func wrapped(text string, width, indent int) (lines []string) {
	line := ""
	for word := range strings.FieldsSeq(text) {
		switch {
		case line == "":
			line = word
		case utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) <= width:
			line += " " + word
		default:
			lines = append(lines, line)
			line = strings.Repeat(" ", indent) + word
		}
	}
	return append(lines, line)
}

// seconds writes 1.0 s.
func seconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }

// whole writes 20 s.
func whole(d time.Duration) string { return fmt.Sprintf("%.0f s", d.Seconds()) }

// life writes for how long a "no" may be kept, by the TTL of a reply, which is rounded down.
func life(ttl time.Duration) string {
	if ttl == 0 {
		return "under 1 s"
	}
	return whole(ttl)
}

// more writes for how much longer a "no" may be kept.
func more(ttl time.Duration) string {
	if ttl == 0 {
		return life(ttl)
	}
	return life(ttl) + " more"
}
