package explain

import (
	"strconv"
	"time"
)

// Span writes the two greatest units of a duration, as in 14m 3s; one that is over is 0s.
func Span(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d <= 0:
		return "0s"
	case d < 10*time.Second:
		return d.Round(100 * time.Millisecond).String()
	}
	d = d.Round(time.Second)
	for _, unit := range []struct {
		length, below time.Duration
		name, next    string
	}{
		{day, time.Hour, "d", "h"},
		{time.Hour, time.Minute, "h", "m"},
		{time.Minute, time.Second, "m", "s"},
	} {
		if d < unit.length {
			continue
		}
		text := strconv.FormatInt(int64(d/unit.length), 10) + unit.name
		if rest := d % unit.length / unit.below; rest > 0 {
			text += " " + strconv.FormatInt(int64(rest), 10) + unit.next
		}
		return text
	}
	return d.String()
}

// span is that of so many seconds.
func span(seconds uint32) string { return Span(time.Duration(seconds) * time.Second) }
