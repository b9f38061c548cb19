package config

import (
	"log/slog"
	"strings"
	"testing"
	"time"
)

func TestDurations(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		in       string
		want     time.Duration
		spelling string
	}{
		{"0", 0, "0s"},
		{"0s", 0, "0s"},
		{"30s", 30 * time.Second, "30s"},
		{"90s", 90 * time.Second, "1m30s"},
		{"15m", 15 * time.Minute, "15m"},
		{"1h30m", 90 * time.Minute, "1h30m"},
		{"1h30s", time.Hour + 30*time.Second, "1h0m30s"},
		{"24h", 24 * time.Hour, "24h"},
		{"1000ms", time.Second, "1s"},
	} {
		got, err := parseMaxNegativeTTL(tt.in)
		if err != nil || got != tt.want || spellDuration(got) != tt.spelling {
			t.Errorf("%q = %v, %v, spelled %s, want %v, spelled %s", tt.in, got, err, spellDuration(got), tt.want, tt.spelling)
		}
	}
}

func TestDurationRemedies(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		parse  func(string) (time.Duration, error)
		in     string
		remedy string
	}{
		{parseMaxTTL, "30", "write its unit, as in 30s"},
		{parseMaxTTL, strings.Repeat("3", 100), "write a duration such as 30s, 15m or 24h"},
		{parseMaxTTL, "", "write a duration such as 30s, 15m or 24h"},
		{parseMaxTTL, "1 day", "write a duration such as 30s, 15m or 24h"},
		{parseMaxTTL, "1d", "write a duration such as 30s, 15m or 24h"},
		{parseMaxTTL, "9999999999h", "write a duration such as 30s, 15m or 24h"},
		{parseMaxTTL, "-1s", "write a duration from 1s to 168h"},
		{parseMaxTTL, "0s", "write a duration from 1s to 168h"},
		{parseMaxTTL, "168h1s", "write a duration from 1s to 168h"},
		{parseMaxTTL, "1500ms", "write whole seconds"},
		{parseMaxNegativeTTL, "-1ns", "write a duration from 0s to 24h"},
		{parseMaxNegativeTTL, "24h1s", "write a duration from 0s to 24h"},
		{parseMaxNegativeTTL, "500ms", "write whole seconds"},
		{ParsePoll, "1", "write its unit, as in 1s, or 0s for none"},
		{ParsePoll, "off", "write a duration such as 30s, 15m or 24h, or 0s for none"},
		{ParsePoll, "249ms", "write a duration from 250ms to 1m, or 0s for none"},
		{ParsePoll, "61s", "write a duration from 250ms to 1m, or 0s for none"},
		{ParsePoll, "-1s", "write a duration from 250ms to 1m, or 0s for none"},
		{ParsePoll, "250.5ms", "write whole milliseconds, or 0s for none"},
		{ParseLeaseTime, "0s", "write a duration from 1s to 24h"},
		{ParseLeaseTime, "24h1s", "write a duration from 1s to 24h"},
		{ParseLeaseTime, "1500ms", "write whole seconds"},
	} {
		if _, err := tt.parse(tt.in); err == nil || err.Error() != tt.remedy {
			t.Errorf("%q: got %v, want %s", tt.in, err, tt.remedy)
		}
	}
}

func TestFractionsOfASecond(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		in       string
		want     time.Duration
		spelling string
	}{
		{"0", 0, "0s"},
		{"250ms", 250 * time.Millisecond, "250ms"},
		{"0.25s", 250 * time.Millisecond, "250ms"},
		{"1.001s", 1001 * time.Millisecond, "1.001s"},
		{"59.999s", time.Minute - time.Millisecond, "59.999s"},
		{"60s", time.Minute, "1m"},
	} {
		got, err := ParsePoll(tt.in)
		if err != nil || got != tt.want || spellDuration(got) != tt.spelling {
			t.Errorf("%q = %v, %v, spelled %s, want %v, spelled %s", tt.in, got, err, spellDuration(got), tt.want, tt.spelling)
		}
	}
}

func TestQueriesPerSecond(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]int{"1": 1, "50": 50, "10000": 10000} {
		if got, err := ParseQueriesPerSecond(in); err != nil || got != want {
			t.Errorf("%q = %d, %v, want %d", in, got, err, want)
		}
	}
	for _, in := range []string{"", "0", "-1", "+1", "1.5", "10001", "50/s", "99999999999"} {
		if _, err := ParseQueriesPerSecond(in); err == nil || err.Error() != "write a whole number from 1 to 10000" {
			t.Errorf("%q: got %v", in, err)
		}
	}
}

func TestLongestTTLIsAWeek(t *testing.T) {
	t.Parallel()
	if d, err := parseMaxTTL("168h"); err != nil || d != 7*24*time.Hour {
		t.Errorf("got %v, %v, want a week", d, err)
	}
}

func TestSizes(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		in       string
		want     int64
		spelling string
	}{
		{"4MiB", 4 << 20, "4MiB"},
		{"4097KiB", 4097 << 10, "4097KiB"},
		{"65536KiB", 64 << 20, "64MiB"},
		{"1GiB", 1 << 30, "1GiB"},
		{"1024GiB", 1 << 40, "1024GiB"},
	} {
		got, err := parseMemory(tt.in)
		if err != nil || got != tt.want || spellSize(got) != tt.spelling {
			t.Errorf("%q = %d, %v, spelled %s, want %d, spelled %s", tt.in, got, err, spellSize(got), tt.want, tt.spelling)
		}
	}
}

func TestSizeRemedies(t *testing.T) {
	t.Parallel()
	const unit, bounds = "write a whole number and KiB, MiB or GiB, such as 64MiB", "write a size from 4MiB to 1024GiB"
	for _, tt := range []struct{ in, remedy string }{
		{"", unit}, {"67108864", unit}, {"64MB", unit}, {"64M", unit}, {"64Mi", unit}, {"64mib", unit},
		{"MiB", unit}, {"1.5GiB", unit}, {"-64MiB", unit}, {"+64MiB", unit}, {"64 MiB", unit}, {"9999999999GiB", unit},
		{"0MiB", bounds}, {"4095KiB", bounds}, {"1025GiB", bounds}, {"4294967295GiB", bounds},
	} {
		if _, err := parseMemory(tt.in); err == nil || err.Error() != tt.remedy {
			t.Errorf("%q: got %v, want %s", tt.in, err, tt.remedy)
		}
	}
}

func TestWordsTakeOneSpelling(t *testing.T) {
	t.Parallel()
	for word, want := range map[string]slog.Level{
		"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError,
	} {
		if got, err := ParseLevel(word); err != nil || got != want {
			t.Errorf("ParseLevel(%q) = %v, %v, want %v", word, got, err, want)
		}
	}
	for _, word := range []string{"", "Info", "INFO", "warning", "info+1", "off"} {
		if _, err := ParseLevel(word); err == nil || err.Error() != "write debug, info, warn or error" {
			t.Errorf("ParseLevel(%q): got %v, want the four words", word, err)
		}
	}
	if _, err := ParseLogFormat("xml"); err == nil || err.Error() != "write auto, text or json" {
		t.Errorf("ParseLogFormat: got %v", err)
	}
	if _, err := ParseQueryLog("on"); err == nil || err.Error() != "write off, denial or all" {
		t.Errorf("ParseQueryLog: got %v", err)
	}
}
