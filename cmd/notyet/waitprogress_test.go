package main

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"notyet/explain/wait"
)

func reportOf(second ...wait.Server) *wait.Report {
	return &wait.Report{Name: "new.shipit.dev.", Type: "A", Names: []wait.Name{{Name: "new.shipit.dev.", Zone: "shipit.dev.", Servers: append([]wait.Server{
		{Name: "ns1.shipit.dev", State: wait.Ready, Says: []string{"192.0.2.7"}, After: wait.Took(1200 * time.Millisecond)},
	}, second...)}}}
}

var (
	lacking = wait.Server{Name: "ns2.shipit.dev", State: wait.Behind, Says: []string{"NXDOMAIN"}}
	ready   = wait.Server{Name: "ns2.shipit.dev", State: wait.Ready, Says: []string{"192.0.2.7"}, After: wait.Took(3400 * time.Millisecond)}
	silent  = wait.Server{Name: "ns3.shipit.dev", State: wait.Silent, Says: []string{"timeout"}}
	lame    = wait.Server{Name: "ns3.shipit.dev", State: wait.Lame, Says: []string{"answers without authority"}}
	absent  = wait.Server{Name: "ns4.shipit.dev", State: wait.Absent, Says: []string{"no address"}}
)

func TestScreenHasALineForEachServerInThePlaceOfTheLast(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	p := waitProgress{out: &out}
	p.draw(reportOf(lacking, silent, absent), 80, 24)
	want := strings.Join([]string{
		"new.shipit.dev A  0.0s",
		"  ns1.shipit.dev  has it       192.0.2.7 after 1.2s",
		"  ns2.shipit.dev  not yet      NXDOMAIN",
		"  ns3.shipit.dev  silent       timeout",
		"  ns4.shipit.dev  passed over  no address",
		"",
	}, "\x1b[K\n") + "\x1b[J"
	if got := out.String(); got != want {
		t.Errorf("got\n%q\nwant\n%q", got, want)
	}
	out.Reset()
	p.draw(reportOf(ready), 80, 24)
	want = "\x1b[5A" + strings.Join([]string{
		"new.shipit.dev A  0.0s",
		"  ns1.shipit.dev  has it  192.0.2.7 after 1.2s",
		"  ns2.shipit.dev  has it  192.0.2.7 after 3.4s",
		"",
	}, "\x1b[K\n") + "\x1b[J"
	if got := out.String(); got != want {
		t.Errorf("then\n%q\nwant\n%q", got, want)
	}
}

func TestClockOnAScreenTicksWhileNothingHappens(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out strings.Builder
		p := waitProgress{out: &out, screen: &terminal{}, last: new(wait.Report)}
		end := p.run()
		time.Sleep(1200 * time.Millisecond) // in fake time
		if out.Len() > 0 {
			t.Errorf("got %q before there was anything to show", out.String())
		}
		r := reportOf(lacking)
		r.Took = wait.Took(1200 * time.Millisecond)
		p.show(r)
		time.Sleep(2 * time.Second)
		end()
		time.Sleep(5 * time.Second)
		var clock []string
		for line := range strings.Lines(out.String()) {
			if _, after, found := strings.Cut(line, "new.shipit.dev A  "); found {
				clock = append(clock, strings.TrimSuffix(after, "\x1b[K\n"))
			}
		}
		if want := []string{"1.2s", "2.0s", "3.0s"}; !slices.Equal(clock, want) {
			t.Errorf("got the clock at %q, want %q", clock, want)
		}
		if p.last != r || r.Took != wait.Took(1200*time.Millisecond) {
			t.Errorf("got the report changed: %+v", r)
		}
	})
	lines := waitProgress{out: new(strings.Builder), last: new(wait.Report)}
	lines.run()() // of which none ticks
	(*waitProgress)(nil).run()()
}

func TestScreenThatIsTooSmallStillFits(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	p := waitProgress{out: &out, colour: true}
	p.draw(reportOf(lacking, silent, absent), 20, 4)
	want := "new.shipit.dev A  …\x1b[K\n  ns1.ship…  \x1b[32mhas it\x1b[m\x1b[K\nand 3 more lines\x1b[K\n\x1b[J"
	if got := out.String(); got != want {
		t.Errorf("got\n%q\nwant\n%q", got, want)
	}
	for columns, want := range map[int]string{
		1:  "…|…|…|…|…|",
		8:  "new.sh…|…  has…|…  not…|…  sil…|…  pas…|",
		16: "new.shipit.dev…| …  has it| …  not yet| …  silent| …  passed over|",
		35: "new.shipit.dev A  0.0s|  ns1.shipit.dev  has it       19…|  ns2.shipit.dev  not yet      NX…|" +
			"  ns3.shipit.dev  silent       ti…|  ns4.shipit.dev  passed over  no…|",
	} {
		out.Reset()
		p := waitProgress{out: &out}
		p.draw(reportOf(lacking, silent, absent), columns, 24)
		got := strings.TrimSuffix(strings.ReplaceAll(out.String(), "\x1b[K\n", "|"), "\x1b[J")
		if got != want {
			t.Errorf("%d columns: got\n%s\nwant\n%s", columns, got, want)
		}
	}
}

func TestStatesHaveColoursOnAScreen(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	p := waitProgress{out: &out, colour: true}
	p.draw(reportOf(lacking, silent, lame), 80, 24)
	for _, want := range []string{"\x1b[32mhas it\x1b[m ", "\x1b[33mnot yet\x1b[m ", "\x1b[31msilent\x1b[m ", "\x1b[31mof no use\x1b[m "} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("got %q, want %q in it", out.String(), want)
		}
	}
}

func TestLinesTellChangesOnly(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	p := waitProgress{out: &out, last: new(wait.Report)}
	alias := reportOf(ready)
	alias.Names = append(alias.Names, wait.Name{Name: "host.other.dev.", Fault: "no server answers", Servers: []wait.Server{silent}})
	for _, r := range []*wait.Report{reportOf(lacking), reportOf(lacking), reportOf(ready), alias, alias} {
		p.show(r)
	}
	const want = "  1.2s  ns1.shipit.dev: has it (192.0.2.7)\n  0.0s  ns2.shipit.dev: not yet (NXDOMAIN)\n  3.4s  ns2.shipit.dev: has it (192.0.2.7)\n" +
		"  0.0s  host.other.dev: no server answers\n  0.0s  host.other.dev at ns3.shipit.dev: silent (timeout)\n"
	if got := out.String(); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}
