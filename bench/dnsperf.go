package main

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// load is what dnsperf says about one run of its own.
type load struct {
	sent      int
	completed int // answered, whatever the rcode
	noerror   int
	qps       float64
	latency   time.Duration // average
}

// parseLoad reads the statistics at the end of dnsperf's output.
func parseLoad(out string) (load, error) {
	var l load
	var err error
	number := func(label string) float64 {
		text, ok := statistic(out, label)
		if !ok && err == nil {
			err = fmt.Errorf("dnsperf's output has no %q:\n%s", label, out)
			return 0
		}
		// The pattern in statistic allows nothing but a number.
		value, _ := strconv.ParseFloat(text, 64)
		return value
	}
	l.sent = int(number("Queries sent:"))
	l.completed = int(number("Queries completed:"))
	l.qps = number("Queries per second:")
	l.latency = time.Duration(number("Average Latency (s):") * float64(time.Second))
	if err != nil {
		return load{}, err
	}
	// Missing when no answer had this rcode.
	noerror, _ := statistic(out, "NOERROR")
	l.noerror, _ = strconv.Atoi(noerror)
	return l, nil
}

// statistic returns the first number behind label.
func statistic(out, label string) (string, bool) {
	_, rest, found := strings.Cut(out, label)
	if !found {
		return "", false
	}
	number := leadingNumber.FindStringSubmatch(rest)
	if number == nil {
		return "", false
	}
	return number[1], true
}

var leadingNumber = regexp.MustCompile(`^\s*(\d+(?:\.\d+)?)`)
