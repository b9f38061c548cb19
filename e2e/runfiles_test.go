//go:build e2e && linux

package e2e

import (
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"notyet/e2e/testbed"
)

// An etc is a directory that a run has as /etc, on a machine that is otherwise this one.
type etc struct {
	t   *testing.T
	dir string
}

func newEtc(t *testing.T, files map[string]string) etc {
	t.Helper()
	e := etc{t, t.TempDir()}
	for name, text := range files {
		e.put(name, text)
	}
	return e
}

// put writes a file in the place of another, by rename.
func (e etc) put(name, text string) {
	e.t.Helper()
	path := e.dir + "/" + name
	if err := os.WriteFile(path+".new", []byte(text), 0o644); err != nil {
		e.t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		e.t.Fatal(err)
	}
}

// link makes a symbolic link in the place of another.
func (e etc) link(to, name string) {
	e.t.Helper()
	if err := os.Symlink(to, e.dir+"/"+name+".new"); err != nil {
		e.t.Fatal(err)
	}
	if err := os.Rename(e.dir+"/"+name+".new", e.dir+"/"+name); err != nil {
		e.t.Fatal(err)
	}
}

// command is a notyet run where the directory is /etc, after a few more mounts. It is in another user's shoes: umask 077.
func (e etc) command(mounts string, flags []string, command ...string) *exec.Cmd {
	const script = `mount --bind "$0" /etc && eval "$1" && shift && umask 077 && exec "$@"`
	args := []string{"--mount", "sh", "-c", script, e.dir, ":" + mounts, notyetBinary}
	return exec.Command(testbed.Look(e.t, "unshare"), append(append(append(append(args, "run"), flags...), "--"), command...)...)
}

// output is what a command that ends well has to say.
func (e etc) output(mounts string, command ...string) string {
	e.t.Helper()
	p := testbed.StartCommand(e.t, e.command(mounts, nil, command...))
	if code := p.Wait(e.t, patience); code != 0 {
		e.t.Errorf("%q: got exit code %d, want 0: %s", command, code, p.Output())
	}
	return p.Stdout()
}

func TestResolvConfOfARunKeepsSearchListAndOptions(t *testing.T) {
	t.Parallel()
	e := newEtc(t, map[string]string{"resolv.conf": "search example.net\nnameserver 192.0.2.1\nnameserver 192.0.2.2\noptions ndots:5 edns0\n"})
	got := e.output("", "setpriv", "--reuid=65534", "cat", "/etc/resolv.conf") // whom the umask would keep from it
	server := nameServer.FindAllString(got, -1)
	if len(server) != 1 || !strings.HasPrefix(server[0], "nameserver 127.0.53.") {
		t.Errorf("got name servers %q, want one in 127.0.53.0/24", server)
	}
	for _, want := range []string{"\nsearch example.net\n", "\noptions ndots:5 edns0\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("got %q, want %q in it", got, want)
		}
	}
}

func TestResolveOfNSSwitchIsOutOfTheWay(t *testing.T) {
	t.Parallel()
	e := newEtc(t, map[string]string{
		"resolv.conf":   "nameserver 192.0.2.1\n",
		"nsswitch.conf": "passwd: files\nhosts: files resolve [!UNAVAIL=return] dns\n",
	})
	if got, want := e.output("", "cat", "/etc/nsswitch.conf"), "passwd: files\nhosts: files dns\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestNSCDIsOutOfTheWay(t *testing.T) {
	t.Parallel()
	e := newEtc(t, map[string]string{"resolv.conf": "nameserver 192.0.2.1\n"})
	const mounts = "; mount -t tmpfs run /run && mkdir /run/nscd && touch /run/nscd/socket && test -e /var/run/nscd/socket"
	if got := e.output(mounts, "ls", "-A", "/run/nscd", "/var/run/nscd"); strings.Contains(got, "socket") {
		t.Errorf("got %q, want no socket", got)
	}
}

// TestMountsOfTheMachineArriveInARunAndNotTheOtherWay has a machine whose mounts are shared, as systemd has it.
func TestMountsOfTheMachineArriveInARunAndNotTheOtherWay(t *testing.T) {
	t.Parallel()
	e := newEtc(t, map[string]string{"resolv.conf": "nameserver 192.0.2.1\n"})
	const look = `nsenter --mount="/proc/$PPID/ns/mnt" mount -t tmpfs later /mnt
		grep -c " /mnt " /proc/self/mountinfo; grep -c " /etc/resolv.conf " /proc/self/mountinfo; grep -c " /etc/resolv.conf " "/proc/$PPID/mountinfo"; true`
	if got, want := e.output("; mount --make-rshared /", "sh", "-c", look), "1\n1\n0\n"; got != want {
		t.Errorf("got mounts of the machine's, of the run, and of the run in the machine: %q, want %q", got, want)
	}
}

// TestResolvConfOfARunStaysWhenTheMachinesIsReplaced has it replaced as a DHCP client does it, and systemd-resolved behind a link.
func TestResolvConfOfARunStaysWhenTheMachinesIsReplaced(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		prepare func(e etc)
		replace func(e etc, text string)
	}{
		{"by rename", func(e etc) { e.put("resolv.conf", "search one.example\nnameserver 192.0.2.1\n") }, func(e etc, text string) { e.put("resolv.conf", text) }},
		{
			"behind a link",
			func(e etc) {
				e.put("stub", "search one.example\nnameserver 192.0.2.1\n")
				e.link("stub", "resolv.conf")
			},
			func(e etc, text string) { e.put("stub", text) },
		},
		{
			"a link of another's", func(e etc) { e.put("resolv.conf", "search one.example\nnameserver 192.0.2.1\n") },
			func(e etc, text string) {
				e.put("stub", text)
				e.link("stub", "resolv.conf")
			},
		},
		{
			"removed, and written anew", func(e etc) { e.put("resolv.conf", "search one.example\nnameserver 192.0.2.1\n") },
			func(e etc, text string) {
				if err := os.Remove(e.dir + "/resolv.conf"); err != nil {
					e.t.Fatal(err)
				}
				e.put("resolv.conf", text)
			},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			e := newEtc(t, nil)
			test.prepare(e)
			cmd := e.command("", nil, "sh", "-c", "while cat /etc/resolv.conf; echo; do read line || exit; done")
			in, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			p := testbed.StartCommand(t, cmd)
			last := func() string { // a resolv.conf
				all := strings.Split(p.Stdout(), "\n\n")
				if len(all) < 2 {
					return ""
				}
				return all[len(all)-2]
			}
			testbed.Until(t, patience, "the command to be ready", func() bool { return last() != "" })
			server := nameServer.FindString(last())
			for _, domain := range []string{"two.example", "three.example"} {
				test.replace(e, "search "+domain+"\nnameserver 192.0.2.2\n")
				testbed.Until(t, patience, "the command to see "+domain+" and its own name server", func() bool {
					if _, err := io.WriteString(in, "\n"); err != nil {
						t.Fatalf("%v: %s", err, p.Output())
					}
					return strings.Contains(last(), "search "+domain) && nameServer.FindString(last()) == server
				})
			}
			in.Close()
			if code := p.Wait(t, patience); code != 1 { // that of read
				t.Errorf("got exit code %d, want 1: %s", code, p.Stderr())
			}
			if !strings.HasSuffix(p.Stderr(), nothingRescued) || strings.Contains(p.Stderr(), "level=") {
				t.Errorf("got %q on standard error, want no line of notyet's but %q", p.Stderr(), nothingRescued)
			}
		})
	}
}

func TestRunWithoutAResolvConfSaysWhatDoes(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		prepare func(e etc)
		flags   []string
		want    []string
	}{
		{"none", func(etc) {}, []string{"--upstream", "192.0.2.1"}, []string{"cover /etc/resolv.conf: no such file or directory", "notyet serve --watch ZONE --upstream 192.0.2.1:53 &"}},
		{
			"a link to nowhere", func(e etc) { e.link("stub", "resolv.conf") }, []string{"--upstream", "192.0.2.1"},
			[]string{"cover /etc/resolv.conf: no such file or directory"},
		},
		{"no name server", func(e etc) { e.put("resolv.conf", "search example.net\n") }, nil, []string{"has no nameserver", "--upstream 192.0.2.1\n"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			e := newEtc(t, nil)
			test.prepare(e)
			p := testbed.StartCommand(t, e.command("", test.flags, "echo", "run all the same"))
			if code := p.Wait(t, patience); code != 1 || p.Stdout() != "" {
				t.Errorf("got exit code %d and %q, want 1 and the command not run", code, p.Stdout())
			}
			for _, want := range test.want {
				if !strings.Contains(p.Stderr(), want) {
					t.Errorf("got %q, want %q in it", p.Stderr(), want)
				}
			}
		})
	}
}
