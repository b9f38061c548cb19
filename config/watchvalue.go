package config

import (
	"fmt"
	"strconv"
	"time"
)

// The values of a watch. As of all values, an error is only the remedy.

// ParseWatchTTL reads the longest life of a negative under watch: whole seconds, up to an hour.
func ParseWatchTTL(s string) (time.Duration, error) {
	return duration(0, time.Hour, time.Second)(s)
}

// ParseUpstreamAfter reads after how long the upstream is asked about a pending name: up to an hour.
func ParseUpstreamAfter(s string) (time.Duration, error) {
	return duration(0, time.Hour, time.Millisecond)(s)
}

// ParseHold reads how long a client may be kept waiting: up to 10 s, as stubs give up after 5 s, or ask once more.
func ParseHold(s string) (time.Duration, error) {
	return duration(0, 10*time.Second, time.Millisecond)(s)
}

// ParsePoll reads the first interval of polling: a quarter of a second to a minute, or nothing.
func ParsePoll(s string) (time.Duration, error) {
	if d, err := time.ParseDuration(s); err == nil && d == 0 {
		return 0, nil
	}
	d, err := duration(250*time.Millisecond, time.Minute, time.Millisecond)(s)
	if err != nil {
		return 0, fmt.Errorf("%w, or 0s for none", err)
	}
	return d, nil
}

// ParseQueriesPerSecond reads the limit of a watch, 1 to 10000: far more than anyone's servers are to be asked.
func ParseQueriesPerSecond(s string) (int, error) {
	const least, most = 1, 10000
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil || n < least || n > most {
		return 0, fmt.Errorf("write a whole number from %d to %d", least, most)
	}
	return int(n), nil
}

// ParseGiveUp reads for how long a pending name is polled: whole seconds, up to a day.
func ParseGiveUp(s string) (time.Duration, error) {
	return duration(time.Second, 24*time.Hour, time.Second)(s)
}
