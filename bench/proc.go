package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// parseSchedstat reads the time a thread has spent on a CPU from its /proc/PID/task/TID/schedstat.
func parseSchedstat(text string) (time.Duration, error) {
	fields := strings.Fields(text)
	if len(fields) != 3 {
		return 0, fmt.Errorf("schedstat %q: three numbers wanted", text)
	}
	ns, err := strconv.ParseInt(fields[0], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("schedstat %q: %w", text, err)
	}
	return time.Duration(ns), nil
}

// parseResident reads the resident memory in bytes from /proc/PID/status.
func parseResident(text string) (int64, error) {
	for line := range strings.Lines(text) {
		value, found := strings.CutPrefix(line, "VmRSS:")
		if !found {
			continue
		}
		kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("VmRSS %q: %w", value, err)
		}
		return kib << 10, nil
	}
	return 0, fmt.Errorf("no VmRSS in the status of the process: has it ended?")
}
