//go:build e2e && linux

package e2e

import (
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"notyet/e2e/testbed"
)

// startWithResolvConf runs notyet where /etc/resolv.conf has the given text: in a mount namespace of its own.
func startWithResolvConf(t *testing.T, text string, args ...string) *testbed.Process {
	t.Helper()
	file := filepath.Join(t.TempDir(), "resolv.conf")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatalf("%v", err)
	}
	const mountAndRun = `mount --bind "$0" /etc/resolv.conf && exec "$@"`
	return testbed.StartCommand(t, exec.Command(testbed.Look(t, "unshare"),
		append([]string{"--mount", "sh", "-c", mountAndRun, file, notyetBinary, "serve", "--admin", ""}, args...)...))
}

func TestSystemIsTheNameServersOfResolvConf(t *testing.T) {
	t.Parallel()
	u := startUpstreamAt(t, netip.AddrPortFrom(testbed.Address(t), 53), func(in *incoming) { in.reply(in.address(rightAddress)) })
	at := nobody(t)
	p := startWithResolvConf(t, "search example.net\nnameserver "+u.addr.Addr().String()+"\noptions edns0\n", "--listen", at.String())
	testbed.Until(t, patience, "notyet to listen", func() bool { return strings.Contains(p.Stderr(), "listening") })
	q := ask("www."+plainZone, dns.TypeA)
	wantRcode(t, q, over(t, "udp", at, q), dns.RcodeSuccess)
	if got := u.count("www." + plainZone); got != 1 {
		t.Errorf("%s: the server in resolv.conf was asked %d times, want once", describe(q), got)
	}
}

func TestResolvConfThatIsOfNoUseIsToldWithTheRemedy(t *testing.T) {
	t.Parallel()
	at := netip.AddrPortFrom(testbed.Address(t), 53)
	for _, test := range []struct {
		name, text string
		want       []string
	}{
		{"empty", "", []string{"no nameserver", "--upstream"}},
		{"only options", "search example.net\noptions ndots:5\n", []string{"no nameserver", "--upstream"}},
		{"notyet itself", "nameserver " + at.Addr().String() + "\n", []string{at.String(), "notyet itself", "--upstream"}},
		{
			"notyet itself behind another", "nameserver 192.0.2.1\nnameserver " + at.Addr().String() + "\n",
			[]string{at.String(), "notyet itself", "--upstream"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p := startWithResolvConf(t, test.text, "--listen", at.String())
			if code := p.Wait(t, patience); code != 1 {
				t.Errorf("got exit code %d, want 1", code)
			}
			if lines := strings.Count(p.Stderr(), "\n"); lines != 1 {
				t.Errorf("got %d lines, want one:\n%s", lines, p.Stderr())
			}
			for _, want := range test.want {
				if !strings.Contains(p.Stderr(), want) {
					t.Errorf("got %q, want %q in it", p.Stderr(), want)
				}
			}
		})
	}
}
