package explain

import (
	"testing"
	"time"
)

func TestSpansAreReadable(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		d    time.Duration
		want string
	}{
		{-time.Minute, "0s"},
		{0, "0s"},
		{450 * time.Millisecond, "500ms"},
		{1500 * time.Millisecond, "1.5s"},
		{9990 * time.Millisecond, "10s"},
		{59600 * time.Millisecond, "1m"},
		{14*time.Minute + 3*time.Second, "14m 3s"},
		{15 * time.Minute, "15m"},
		{time.Hour + 5*time.Minute + 59*time.Second, "1h 5m"},
		{time.Hour + 59*time.Second, "1h"},
		{24 * time.Hour, "1d"},
		{51*time.Hour + 59*time.Minute, "2d 3h"},
	} {
		if got := Span(tt.d); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.d, got, tt.want)
		}
	}
}

func TestSpansHaveTwoUnits(t *testing.T) {
	t.Parallel()
	for seconds, want := range map[uint32]string{
		0: "0s", 1: "1s", 59: "59s", 60: "1m", 61: "1m 1s", 1451: "24m 11s", 1800: "30m", 3600: "1h", 3601: "1h", 3660: "1h 1m",
		86400: "1d", 90000: "1d 1h", 86401: "1d", 1<<32 - 1: "49710d 6h",
	} {
		if got := span(seconds); got != want {
			t.Errorf("%d s: got %q, want %q", seconds, got, want)
		}
	}
}
