//go:build e2e && linux

package e2e

import (
	"fmt"
	"strings"
	"testing"
)

func TestSidecarPutsBackAResolvConfThatWasChangedMeanwhile(t *testing.T) {
	t.Parallel()
	const link = "mv etc/resolv.conf theirs; ln -s \"$PWD/theirs\" etc/resolv.conf"
	for _, test := range []struct{ name, prepare, change, told string }{
		{"with a line more", "", "echo options timeout:1 >>/etc/resolv.conf", "these lines are lost:\noptions timeout:1\n"},
		{"with a server more", "", "echo nameserver 192.0.2.99 >>/etc/resolv.conf", "these lines are lost:\nnameserver 192.0.2.99\n"},
		{"with a line less", "", "sed '/^search/d' /etc/resolv.conf >new; cat new >/etc/resolv.conf", "What was there before notyet is put back"},
		{"emptied", "", ": >/etc/resolv.conf", ""},
		{"removed", "", "rm /etc/resolv.conf", ""},
		{"by a link", "", "mv /etc/resolv.conf new; echo options rotate >>new; ln -s \"$PWD/new\" /etc/resolv.conf", "these lines are lost:\noptions rotate\n"},
		{"instead of a link", link, "echo options timeout:1 >>/etc/resolv.conf", "these lines are lost:\noptions timeout:1\n"},
		{"back already", "", "printf '%s' \"$1\" >/etc/resolv.conf", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			m := startMachine(t, machineText, test.prepare)
			env, _ := sidecarFor(t)
			before := m.must(t, nil, "stat", "-c", "%F %N", "/etc/resolv.conf")
			m.must(t, env, "sh", absolute(t, sidecar), "start")
			m.must(t, nil, "sh", "-c", test.change, "sh", machineText)
			got := m.do(t, nil, "sh", absolute(t, sidecar), "stop")
			if got.code != 0 || !strings.Contains(got.stderr, test.told) || test.told == "" && got.stderr != "" {
				t.Errorf("got exit code %d and %q, want %q told", got.code, got.stderr, test.told)
			}
			if text := m.file(t, "/etc/resolv.conf"); text != machineText {
				t.Errorf("got resolv.conf %q, want %q", text, machineText)
			}
			if after := m.must(t, nil, "stat", "-c", "%F %N", "/etc/resolv.conf"); after != before {
				t.Errorf("got %s, want %s", after, before)
			}
			if left := m.left(t) + m.must(t, nil, "ls", "-A", m.dir); strings.Contains(left, "notyet") {
				t.Errorf("left: %s", left)
			}
		})
	}
}

// TestSidecarKeepsWhatCannotBePutBack has a second stop do what the first could not.
func TestSidecarKeepsWhatCannotBePutBack(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, prepare, kept, text string }{
		{"file", "", "original", machineText},
		{"link", "mv etc/resolv.conf theirs; ln -s ../theirs etc/resolv.conf", "link", "../theirs\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			m := startMachine(t, machineText, test.prepare)
			env, at := sidecarFor(t)
			m.must(t, env, "sh", absolute(t, sidecar), "start")
			m.must(t, nil, "mount", "-o", "remount,bind,ro", "/etc")
			got, kept := m.do(t, nil, "sh", absolute(t, sidecar), "stop"), m.dir+"/notyet/"+test.kept
			if got.code != 1 || !strings.Contains(got.stderr, "can't be put back") || !strings.Contains(got.stderr, kept) {
				t.Errorf("got exit code %d and %q, want %s named", got.code, got.stderr, kept)
			}
			if text := m.file(t, "notyet/"+test.kept); text != test.text {
				t.Errorf("got %q kept, want %q", text, test.text)
			}
			if text, want := m.file(t, "/etc/resolv.conf"), "nameserver "+at.Addr().String()+"\n"; !strings.HasPrefix(text, want) {
				t.Errorf("got resolv.conf %q, want %q", text, want)
			}
			m.must(t, nil, "notyet", "check", "--live", "--admin", "unix://"+m.dir+"/notyet/admin.sock") // who still asks it, is answered

			m.must(t, nil, "mount", "-o", "remount,bind,rw", "/etc")
			before := m.must(t, nil, "sh", absolute(t, sidecar), "stop")
			if !strings.HasPrefix(before, "### notyet\n") {
				t.Errorf("got %q, want the summary", before)
			}
			if got := m.must(t, nil, "sh", "-c", "readlink /etc/resolv.conf || cat /etc/resolv.conf"); got != test.text {
				t.Errorf("got %q put back, want %q", got, test.text)
			}
			if left := m.left(t) + m.must(t, nil, "ls", "-A", m.dir); strings.Contains(left, "notyet") {
				t.Errorf("left: %s", left)
			}
		})
	}
}

func TestSidecarThatCannotWriteResolvConfLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	m := startMachine(t, machineText, "mount -o remount,bind,ro /etc")
	env, _ := sidecarFor(t)
	for _, use := range [][]string{{"start"}, {"point", "192.0.2.1"}} {
		m.wantRefused(t, env, use, "/etc/resolv.conf': Read-only file system")
		if left := m.left(t) + m.must(t, nil, "ls", "-A", m.dir); strings.Contains(left, "notyet") {
			t.Errorf("%s: left: %s", use[0], left)
		}
	}
}

func TestSidecarWithoutServersOfTheMachineTellsTheRemedy(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, prepare string }{
		{"empty", ": >etc/resolv.conf"},
		{"missing", "rm etc/resolv.conf"},
		{"a link to nothing", "ln -sf nothing etc/resolv.conf"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			m := startMachine(t, machineText, test.prepare)
			env, at := sidecarFor(t)
			look := func() string {
				return m.must(t, nil, "sh", "-c", "readlink /etc/resolv.conf || cat /etc/resolv.conf || echo none")
			}
			before := look()
			got := m.do(t, append(env, "NOTYET_UPSTREAMS="), "sh", absolute(t, sidecar), "start")
			if got.code != 1 || !strings.Contains(got.stderr, "name a server in NOTYET_UPSTREAMS") {
				t.Errorf("got exit code %d and %q, want the remedy", got.code, got.stderr)
			}
			// And that helps.
			m.must(t, env, "sh", absolute(t, sidecar), "start")
			if got, want := m.file(t, "/etc/resolv.conf"), fmt.Sprintf("nameserver %s\n", at.Addr()); got != want {
				t.Errorf("got resolv.conf %q, want %q", got, want)
			}
			m.must(t, nil, "sh", absolute(t, sidecar), "stop")
			if after := look(); after != before {
				t.Errorf("got %q after stop, want %q", after, before)
			}
		})
	}
}

func TestSidecarPointsAtAddressesAlone(t *testing.T) {
	t.Parallel()
	const hostsText = "::1 localhost\n127.0.0.1 localhost\n2001:db8::9 six_only\n2001:db8::9 both\n192.0.2.8 both\n192.0.2.9 a-b.c\n"
	m := startMachine(t, machineText, "cat >etc/hosts <<EOF\n"+hostsText+"EOF\n")
	for _, test := range []struct{ host, server string }{
		{"192.0.2.1", ""},
		{"0.0.0.0", ""},
		{"::1", ""},
		{"2001:db8::1", ""},
		{"2001:DB8:0:0:0:0:0:1", ""},
		{"1::", ""},
		{"::ffff:192.0.2.1", ""},
		{"fe80::1%eth0", ""},
		{"localhost", "127.0.0.1"},
		{"six_only", "2001:db8::9"},
		{"both", "192.0.2.8"},
		{"a-b.c", "192.0.2.9"},
	} {
		if test.server == "" {
			test.server = test.host
		}
		m.must(t, nil, "sh", absolute(t, sidecar), "point", test.host)
		if got, want := m.file(t, "/etc/resolv.conf"), "nameserver "+test.server+"\nsearch corp.example\noptions ndots:1\n"; got != want {
			t.Errorf("point %s: got resolv.conf %q, want %q", test.host, got, want)
		}
		m.must(t, nil, "sh", absolute(t, sidecar), "stop")
	}
	hosts := []string{
		"127.88.0.3:53", "localhost:53", "http://a:b", "http://localhost", "[::1]", "[::1]:53",
		"1.2.3", "1", "1.2.3.4.5", "1.2.3.4.", "256.1.1.1", "01.2.3.4", "1..2.3", "::1::", ":::", ":", ":1", "1:2", "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7::8", "12345::", "::g", "::1.2.3", "", " ", "-h", ".", "a b", "a\nb",
		"192.0.2.1\n", "::1%", "::1%a b", "*", `\061`,
	}
	for _, shell := range shells {
		all := `script=$0; for host; do ` + shell + ` "$script" point "$host" || echo "$?"; done`
		got := m.do(t, nil, append([]string{"sh", "-c", all, absolute(t, sidecar)}, hosts...)...)
		if want := strings.Repeat("1\n", len(hosts)); got.stdout != want {
			t.Errorf("%s: got %q, want each refused", shell, got.stdout)
		}
		for _, host := range hosts {
			if want := "sidecar.sh: point " + host + ": write an IPv4 or IPv6 address or the name of a host, and no more"; !strings.Contains(got.stderr, want) {
				t.Errorf("%s: got %q, want %q", shell, got.stderr, want)
			}
		}
	}
	if left := m.file(t, "/etc/resolv.conf") + m.must(t, nil, "ls", "-A", m.dir); !strings.HasPrefix(left, machineText) || strings.Contains(left, "notyet") {
		t.Errorf("left: %s", left)
	}
}

func TestSidecarWantsAnAddressAndAPort(t *testing.T) {
	t.Parallel()
	m := startMachine(t, machineText, "")
	for _, test := range []struct{ listen, resolvConf, want string }{
		{"127.88.0.53", "true", "NOTYET_LISTEN 127.88.0.53: name the port too: 127.88.0.53:53\n"},
		{"127.88.0.53", "false", "name the port too: 127.88.0.53:1053\n"},
		{"::1", "true", "name the port too: [::1]:53\n"},
		{"[::1]", "true", "name the port too: [::1]:53\n"},
		{"127.88.0.53:", "true", "write an IP address and a port, such as 127.0.0.1:53\n"},
		{":53", "true", "write an IP address and a port, such as 127.0.0.1:53\n"},
		{"localhost:53", "true", "write an IP address and a port, such as 127.0.0.1:53\n"},
		{"127.88.0.53:domain", "false", "write an IP address and a port, such as 127.0.0.1:1053\n"},
		{"127.88.0.53:1053", "true", "resolv.conf can name an address with port 53 only"},
	} {
		m.wantRefused(t, []string{"NOTYET_LISTEN=" + test.listen, "NOTYET_RESOLV_CONF=" + test.resolvConf}, []string{"start"}, test.want)
	}
}
