package main

import (
	"net/netip"
	"reflect"
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
	t.Parallel()
	got, err := parseLoad(dnsperfOutput)
	if err != nil {
		t.Fatal(err)
	}
	want := load{
		sent: 262275, completed: 262272, rcodes: map[string]int{"NOERROR": 262202, "SERVFAIL": 70},
		qps: 131129.509089, latency: 376 * time.Microsecond,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestParseLoadWithoutAnyNOERROR(t *testing.T) {
	t.Parallel()
	got, err := parseLoad(strings.Replace(dnsperfOutput, "NOERROR 262202 (99.97%), ", "", 1))
	if err != nil {
		t.Fatal(err)
	}
	if got.rcodes["NOERROR"] != 0 || got.rcodes["SERVFAIL"] != 70 {
		t.Errorf("got %v, want 70 SERVFAIL and no NOERROR", got.rcodes)
	}
}

func TestParseLoadNamesWhatIsMissing(t *testing.T) {
	t.Parallel()
	for _, label := range []string{"Queries sent:", "Queries completed:", "Queries per second:", "Average Latency (s):"} {
		_, err := parseLoad(strings.Replace(dnsperfOutput, label, "something else", 1))
		if err == nil || !strings.Contains(err.Error(), label) {
			t.Errorf("without %q: got %v, want an error that names it", label, err)
		}
	}
}

func TestParseLoadWhenNothingWasAnswered(t *testing.T) {
	t.Parallel()
	// dnsperf divides nothing by nothing.
	out := strings.Replace(dnsperfOutput, "0.000376", "-nan", 1)
	if got, err := parseLoad(out); err == nil {
		t.Errorf("got %+v, want an error", got)
	}
}

func TestDnsperfArguments(t *testing.T) {
	t.Parallel()
	addr := netip.MustParseAddrPort("127.0.0.21:5300")
	const all = "-s 127.0.0.21 -p 5300 -d names -c 16 -T 1 -q 200"
	for _, tt := range []struct {
		name string
		perf perf
		want string
	}{
		{"full rate", perf{file: "names", limit: 5 * time.Second}, all + " -l 5"},
		{"once", perf{file: "names", limit: time.Minute, once: true}, all + " -l 60 -n 1"},
		{"fixed rate", perf{file: "names", limit: time.Second, rate: 1500}, all + " -l 1 -Q 1500"},
		{"TCP", perf{file: "names", limit: time.Second, tcp: true}, all + " -l 1 -m tcp"},
	} {
		if got := strings.Join(tt.perf.args(addr), " "); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestStatistic(t *testing.T) {
	t.Parallel()
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
