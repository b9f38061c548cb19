package main

import (
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// perf is a run of dnsperf.
type perf struct {
	file  string        // of questions
	once  bool          // each of them once; else over and over
	limit time.Duration // how long at most; whole seconds
	rate  int           // queries a second; 0: as many as are answered
	tcp   bool
}

// args are dnsperf's. 200 queries may be under way from 16 sockets.
func (p perf) args(addr netip.AddrPort) []string {
	args := []string{"-s", addr.Addr().String(), "-p", strconv.Itoa(int(addr.Port())), "-d", p.file,
		"-c", "16", "-T", "1", "-q", "200", "-l", strconv.Itoa(int(p.limit / time.Second))}
	if p.once {
		args = append(args, "-n", "1")
	}
	if p.rate > 0 {
		args = append(args, "-Q", strconv.Itoa(p.rate))
	}
	if p.tcp {
		args = append(args, "-m", "tcp")
	}
	return args
}

// load is what dnsperf says about one run of its own.
type load struct {
	sent      int
	completed int            // answered, whatever the rcode
	rcodes    map[string]int // how many were answered with each
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
	l.rcodes = parseRcodes(out)
	return l, nil
}

// parseRcodes reads a line such as "Response codes: NOERROR 9 (90.00%), SERVFAIL 1 (10.00%)".
func parseRcodes(out string) map[string]int {
	_, line, _ := strings.Cut(out, "Response codes:")
	line, _, _ = strings.Cut(line, "\n")
	rcodes := make(map[string]int)
	for _, match := range rcodeCount.FindAllStringSubmatch(line, -1) {
		rcodes[match[1]], _ = strconv.Atoi(match[2])
	}
	return rcodes
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

var (
	leadingNumber = regexp.MustCompile(`^\s*(\d+(?:\.\d+)?)`)
	rcodeCount    = regexp.MustCompile(`([A-Z]+) (\d+) \(`)
)
