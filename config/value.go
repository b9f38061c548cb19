package config

import (
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// The parse functions of this package read the text of one value. Their error is only the remedy:
// who calls knows the key and the value, and says them.

const (
	kib = 1 << 10
	mib = 1 << 20
	gib = 1 << 30
)

// parseMemory takes 4MiB, below which the shards of a cache hold next to nothing, to 1024GiB.
func parseMemory(s string) (int64, error) {
	const least, most = 4 * mib, 1024 * gib
	for _, unit := range sizeUnits {
		digits, found := strings.CutSuffix(s, unit.name)
		if !found {
			continue
		}
		n, err := strconv.ParseUint(digits, 10, 32) // times a GiB still fits an int64
		if err != nil {
			break
		}
		size := int64(n) * unit.bytes
		if size < least || size > most {
			return 0, fmt.Errorf("write a size from %s to %s", spellSize(least), spellSize(most))
		}
		return size, nil
	}
	return 0, errors.New("write a whole number and KiB, MiB or GiB, such as 64MiB")
}

var sizeUnits = []struct {
	name  string
	bytes int64
}{{"GiB", gib}, {"MiB", mib}, {"KiB", kib}}

// spellSize is exact for whole KiB, and parseMemory takes nothing else.
func spellSize(bytes int64) string {
	for _, unit := range sizeUnits {
		if bytes%unit.bytes == 0 {
			return strconv.FormatInt(bytes/unit.bytes, 10) + unit.name
		}
	}
	return strconv.FormatInt(bytes/kib, 10) + "KiB"
}

// parseMaxTTL takes a second to a week, the longest life a cache should give a record (RFC 8767, section 4).
func parseMaxTTL(s string) (time.Duration, error) {
	return duration(time.Second, 7*24*time.Hour, time.Second)(s)
}

// parseMaxNegativeTTL takes nothing to a day; more has been found to cause problems (RFC 2308, section 5).
func parseMaxNegativeTTL(s string) (time.Duration, error) {
	return duration(0, 24*time.Hour, time.Second)(s)
}

// parseStale takes nothing to a week; RFC 8767, section 5, suggests one to three days at most.
func parseStale(s string) (time.Duration, error) {
	return duration(0, 7*24*time.Hour, time.Second)(s)
}

// parseRateLimit takes nothing, which is no limit, to a million.
func parseRateLimit(s string) (int, error) {
	const most = 1_000_000
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil || n > most {
		return 0, fmt.Errorf("write a whole number of queries a second from 1 to %d, or 0 for no limit", most)
	}
	return int(n), nil
}

// parseFile takes the absolute path of a file, or nothing.
func parseFile(s string) (string, error) {
	switch {
	case s == "":
		return s, nil
	case !filepath.IsAbs(s) || strings.HasSuffix(s, "/"):
		return "", errors.New(`write the absolute path of a file, or "" for none`)
	}
	return s, printable(s)
}

// parseResolvConf takes the absolute path of a file, as Unix has it on every system: the default is such a one.
func parseResolvConf(s string) (string, error) {
	if !filepath.IsAbs(s) && !strings.HasPrefix(s, "/") || strings.HasSuffix(s, "/") {
		return "", errors.New("write the absolute path of a file, such as /etc/resolv.conf")
	}
	return s, printable(s)
}

// parseDirectory takes the absolute path of a directory, or nothing.
func parseDirectory(s string) (string, error) {
	switch {
	case s == "":
		return s, nil
	case !filepath.IsAbs(s):
		return "", errors.New(`write the absolute path of a directory, or "" for none`)
	}
	return filepath.Clean(s), printable(s)
}

// printable refuses a path that a log could not show.
func printable(path string) error {
	if strings.ContainsFunc(path, func(r rune) bool { return !unicode.IsPrint(r) || r == utf8.RuneError }) {
		return errors.New("write a path without control characters")
	}
	return nil
}

// duration takes whole seconds, the unit of a TTL, or whole milliseconds.
func duration(least, most, unit time.Duration) func(string) (time.Duration, error) {
	return func(s string) (time.Duration, error) {
		d, err := time.ParseDuration(s)
		switch {
		case err != nil && isNumber(s):
			return 0, fmt.Errorf("write its unit, as in %ss", s)
		case err != nil:
			return 0, errors.New("write a duration such as 30s, 15m or 24h")
		case d < least || d > most:
			return 0, fmt.Errorf("write a duration from %s to %s", spellDuration(least), spellDuration(most))
		case d%unit != 0 && unit == time.Second:
			return 0, errors.New("write whole seconds")
		case d%unit != 0:
			return 0, errors.New("write whole milliseconds")
		}
		return d, nil
	}
}

// isNumber reports whether s is a number short enough to be repeated in a remedy.
func isNumber(s string) bool {
	_, err := strconv.ParseUint(s, 10, 32)
	return err == nil
}

// spellDuration writes 24h, not 24h0m0s.
func spellDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

func parseBool(s string) (bool, error) {
	word, err := oneOf("true", "false")(s)
	return word == "true", err
}

// ParseLevel reads a log level. The error says what to write instead.
func ParseLevel(s string) (slog.Level, error) {
	word, err := oneOf("debug", "info", "warn", "error")(s)
	if err != nil {
		return 0, err
	}
	var level slog.Level
	err = level.UnmarshalText([]byte(word))
	return level, err
}

// ParseLogFormat reads a log format. The error says what to write instead.
func ParseLogFormat(s string) (LogFormat, error) {
	return oneOf(LogAuto, LogText, LogJSON)(s)
}

// ParseQueryLog reads which queries are logged. The error says what to write instead.
func ParseQueryLog(s string) (QueryLog, error) {
	return oneOf(QueryLogOff, QueryLogDenial, QueryLogAll)(s)
}

// ParseVerify reads when the authorities of a watch are asked. The error says what to write instead.
func ParseVerify(s string) (Verify, error) {
	return oneOf(VerifyBefore, VerifyAfter, VerifyOff)(s)
}

// oneOf reads one of a few words, in exactly this spelling.
func oneOf[T ~string](words ...T) func(string) (T, error) {
	return func(s string) (T, error) {
		var all []string
		for _, word := range words {
			if string(word) == s {
				return word, nil
			}
			all = append(all, string(word))
		}
		last := len(all) - 1
		return "", fmt.Errorf("write %s or %s", strings.Join(all[:last], ", "), all[last])
	}
}
