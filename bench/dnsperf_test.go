package main

import (
	"strings"
	"testing"
	"time"
)

const dnsperfOutput = `DNS Performance Testing Tool
Version 2.10.0

[Status] Command line: dnsperf -s 127.0.0.21 -p 5300 -d names -c 16 -T 1 -q 200 -l 2
[Status] Sending queries (to 127.0.0.21:5300)
[Status] Started at: Mon Nov 23 01:23:14 2026
[Status] Stopping after 2.000000 seconds
[Timeout] Query timed out: msg id 17
[Status] Testing complete (time limit)

Statistics:

  Queries sent:         262275
  Queries completed:    262272 (100.00%)
  Queries lost:         3 (0.00%)

  Response codes:       NOERROR 262202 (99.97%), SERVFAIL 70 (0.03%)
  Average packet size:  request 42, response 91
  Run time (s):         2.000099
  Queries per second:   131129.509089

  Average Latency (s):  0.000376 (min 0.000020, max 0.003731)
  Latency StdDev (s):   0.000383
`

func TestParseLoad(t *testing.T) {
	got, err := parseLoad(dnsperfOutput)
	if err != nil {
		t.Fatal(err)
	}
	want := load{
		sent: 262275, completed: 262272, noerror: 262202,
		qps: 131129.509089, latency: 376 * time.Microsecond,
	}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestParseLoadWithoutAnyNOERROR(t *testing.T) {
	got, err := parseLoad(strings.Replace(dnsperfOutput, "NOERROR 262202 (99.97%), ", "", 1))
	if err != nil {
		t.Fatal(err)
	}
	if got.noerror != 0 {
		t.Errorf("got %d NOERROR, want 0", got.noerror)
	}
}

func TestParseLoadNamesWhatIsMissing(t *testing.T) {
	for _, label := range []string{"Queries sent:", "Queries completed:", "Queries per second:", "Average Latency (s):"} {
		_, err := parseLoad(strings.Replace(dnsperfOutput, label, "something else", 1))
		if err == nil || !strings.Contains(err.Error(), label) {
			t.Errorf("without %q: got %v, want an error that names it", label, err)
		}
	}
}

func TestParseLoadWhenNothingWasAnswered(t *testing.T) {
	// dnsperf divides nothing by nothing.
	out := strings.Replace(dnsperfOutput, "0.000376", "-nan", 1)
	if got, err := parseLoad(out); err == nil {
		t.Errorf("got %+v, want an error", got)
	}
}

func TestStatistic(t *testing.T) {
	for _, tt := range []struct {
		name, out, label, want string
	}{
		{name: "nsd-control", out: "server0.queries=9\nnum.queries=1001\ntime.boot=3.1\n", label: "\nnum.queries=", want: "1001"},
		{name: "fraction", out: "Run time (s):         2.000099\n", label: "Run time (s):", want: "2.000099"},
		{name: "no number", out: "Run time (s): none 3\n", label: "Run time (s):"},
		{name: "no label", out: "3\n", label: "Run time (s):"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got, ok := statistic(tt.out, tt.label); got != tt.want || ok != (tt.want != "") {
				t.Errorf("got %q, %v, want %q", got, ok, tt.want)
			}
		})
	}
}
