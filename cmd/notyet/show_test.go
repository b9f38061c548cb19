package main

import (
	"testing"
	"time"
)

func TestDurationsAreReadable(t *testing.T) {
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
		if got := readable(tt.d); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.d, got, tt.want)
		}
	}
}

func TestSizesAreReadable(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		bytes int64
		want  string
	}{{0, "0 B"}, {1023, "1023 B"}, {1024, "1 KiB"}, {1 << 20 * 13 / 4, "3.2 MiB"}, {64 << 20, "64 MiB"}, {1 << 40, "1024 GiB"}} {
		if got := readableSize(tt.bytes); got != tt.want {
			t.Errorf("%d: got %s, want %s", tt.bytes, got, tt.want)
		}
	}
}

func TestTablesHaveNoSpaceAtTheEnd(t *testing.T) {
	t.Parallel()
	got := table([][]string{{"A", "LONGER"}, {"one\ttwo", "x"}, {"", ""}})
	if want := "A        LONGER\none two  x\n\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
