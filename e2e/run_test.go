//go:build e2e && linux

package e2e

import (
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"notyet/e2e/testbed"
)

// runArgs are the arguments of notyet for a command that it runs. Without an upstream among the flags there is one that is
// not there.
func runArgs(t testing.TB, flags []string, command ...string) []string {
	t.Helper()
	args := []string{"run"}
	if !strings.Contains(strings.Join(flags, " "), "--upstream") {
		args = append(args, "--upstream", nobody(t).String())
	}
	return append(append(append(args, flags...), "--"), command...)
}

// startRun starts a command that notyet runs.
func startRun(t testing.TB, flags []string, command ...string) *testbed.Process {
	t.Helper()
	return testbed.Start(t, notyetBinary, runArgs(t, flags, command...)...)
}

const nothingRescued = "notyet: nothing to rescue: no zone is under watch (--watch)\n"

// buildLookup builds the program that looks a name up with Go's resolver and nothing of the C library, or with that of the C library.
func buildLookup(t *testing.T, cgo bool) string {
	t.Helper()
	path := t.TempDir() + "/lookup"
	build := exec.Command("go", "build", "-o", path)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if cgo {
		build.Args = append(build.Args, "-tags", "netcgo")
		build.Env = append(os.Environ(), "CGO_ENABLED=1")
	}
	build.Args = append(build.Args, "./testdata/lookup")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build lookup: %v\n%s", err, out)
	}
	program, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer program.Close()
	if libraries, _ := program.ImportedLibraries(); (len(libraries) > 0) != cgo {
		t.Fatalf("lookup with cgo %v: got libraries %q", cgo, libraries)
	}
	return path
}

// TestRunRescuesNamesForAllKindsOfPrograms publishes each name after the program has asked for it, which then gets it from its
// first question.
func TestRunRescuesNamesForAllKindsOfPrograms(t *testing.T) {
	t.Parallel()
	b := watching()
	addr := testbed.Address(t)
	web := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, addr) }))
	web.Listener.Close()
	var err error
	if web.Listener, err = net.Listen("tcp", addr.String()+":0"); err != nil {
		t.Fatal(err)
	}
	web.Start()
	t.Cleanup(web.Close)
	_, port, _ := net.SplitHostPort(web.Listener.Addr().String())
	const node = `require("dns").%s(process.argv[1], (err, found) => console.log(err || found.toString()))`
	for _, test := range []struct {
		name    string
		command []string // NAME is the name
	}{
		{"getent hosts", []string{testbed.Look(t, "getent"), "hosts", "NAME"}},
		{"getent ahosts", []string{testbed.Look(t, "getent"), "ahosts", "NAME"}},
		{"curl", []string{testbed.Look(t, "curl"), "-sS", "http://NAME:" + port + "/"}},
		{"node, by the C library", []string{testbed.Look(t, "node"), "-e", fmt.Sprintf(node, "lookup"), "NAME"}},
		{"node, by c-ares", []string{testbed.Look(t, "node"), "-e", fmt.Sprintf(node, "resolve4"), "NAME"}},
		{"Go, static", []string{buildLookup(t, false), "NAME"}},
		{"Go, by the C library", []string{buildLookup(t, true), "NAME"}},
		{"of a shell", []string{"sh", "-c", "getent hosts NAME | cat"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			timely(t, func() error {
				qname := newLabel() + "." + plainZone
				command := strings.Split(strings.ReplaceAll(strings.Join(test.command, "\n"), "NAME", qname), "\n")
				p := startRun(t, []string{"--watch", plainZone + ",queries_per_second=500", "--hold", holdFor.String(), "--upstream", b.unbound.Addr.String()}, command...)
				select {
				case <-time.After(1500 * time.Millisecond): // node takes half a second to start
				case <-p.Done():
					t.Fatalf("ended before the name was published: %s", p.Output())
				}
				if err := b.add(qname + ". 60 A " + addr.String()); err != nil {
					t.Fatal(err)
				}
				if code := p.Wait(t, patience); code != 0 {
					t.Errorf("%q: got exit code %d, want 0: %s", command, code, p.Output())
				}
				if !strings.Contains(p.Stdout(), addr.String()) {
					t.Errorf("%q: got %q, want %v in it", command, p.Stdout(), addr)
				}
				b.wantUnasked(t, qname)
				want := regexp.MustCompile(`^notyet: 1 name rescued, \d+ s of "no" avoided: ` + regexp.QuoteMeta(qname) + ` \(\d+\.\ds\)\n$`)
				if !want.MatchString(p.Stderr()) {
					return fmt.Errorf("got %q on standard error, want %v", p.Stderr(), want)
				}
				return nil
			})
		})
	}
}

func TestRunTellsWhatIsStillMissing(t *testing.T) {
	t.Parallel()
	b := watching()
	qname := newLabel() + "." + plainZone
	p := startRun(t, []string{"--watch", plainZone, "--upstream", b.unbound.Addr.String()}, "getent", "hosts", qname)
	if code := p.Wait(t, patience); code != 2 {
		t.Errorf("got exit code %d, want getent's for a name that is missing, 2", code)
	}
	if want := "notyet: nothing to rescue; still missing: " + qname + "\n"; p.Stderr() != want {
		t.Errorf("got %q on standard error, want %q", p.Stderr(), want)
	}
}

func TestRunHasTheExitCodeOfItsCommand(t *testing.T) {
	t.Parallel()
	script, noInterpreter := t.TempDir()+"/script", t.TempDir()+"/script"
	for path, text := range map[string]string{script: "exit $1\n", noInterpreter: "#!/no/such/interpreter\n"} {
		if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		name    string
		command []string
		code    int
	}{
		{"success", []string{"true"}, 0},
		{"failure", []string{"false"}, 1},
		{"another", []string{"sh", "-c", "exit 200"}, 200},
		{"ended by a signal", []string{"sh", "-c", "kill -TERM $$"}, 128 + 15},
		{"killed", []string{"sh", "-c", "kill -KILL $$"}, 128 + 9},
		{"script without an interpreter", []string{script, "9"}, 9},
		{"interpreter that is not there", []string{noInterpreter}, 127},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p := startRun(t, nil, test.command...)
			if code := p.Wait(t, patience); code != test.code {
				t.Errorf("%q: got exit code %d, want %d: %s", test.command, code, test.code, p.Output())
			}
		})
	}
}

func TestRunLeavesFilesThatAreOpenAlone(t *testing.T) {
	t.Parallel()
	extra, err := os.Open("/proc/self/comm")
	if err != nil {
		t.Fatal(err)
	}
	defer extra.Close()
	cmd := exec.Command(notyetBinary, runArgs(t, nil, "sh", "-c", "cat; cat <&3; echo problem >&2; exit 3")...)
	cmd.Stdin = strings.NewReader(strings.Repeat("line\n", 50_000))
	cmd.ExtraFiles = []*os.File{extra}
	comm, err := os.ReadFile("/proc/self/comm")
	if err != nil {
		t.Fatal(err)
	}
	p := testbed.StartCommand(t, cmd)
	if code := p.Wait(t, patience); code != 3 {
		t.Errorf("got exit code %d, want 3", code)
	}
	if want := strings.Repeat("line\n", 50_000) + string(comm); p.Stdout() != want {
		t.Errorf("got %d bytes on standard output, want %d", len(p.Stdout()), len(want))
	}
	if want := "problem\n" + nothingRescued; p.Stderr() != want {
		t.Errorf("got %q on standard error, want %q", p.Stderr(), want)
	}
}

// TestOutputOfRunEndsWhenTheCommandClosesIt: notyet itself keeps neither standard input nor output open.
func TestOutputOfRunEndsWhenTheCommandClosesIt(t *testing.T) {
	t.Parallel()
	cmd := exec.Command(notyetBinary, runArgs(t, nil, "sh", "-c", "read line <&3; exec <&- >&-; read line <&3")...)
	stdin, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	cmd.Stdin = stdin
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer writer.Close()
	cmd.ExtraFiles = []*os.File{reader}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	reader.Close()
	stdin.Close()
	fmt.Fprintln(writer, "go on")
	closed := make(chan error, 1)
	go func() {
		_, err := io.ReadAll(out)
		closed <- err
	}()
	select {
	case err := <-closed:
		if err != nil {
			t.Errorf("read standard output: %v", err)
		}
	case <-time.After(patience):
		t.Errorf("standard output is open %v after the command closed it", patience)
	}
	_ = in.SetWriteDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(in, strings.Repeat("x", 1<<20)); !errors.Is(err, syscall.EPIPE) {
		t.Errorf("write to standard input: got %v, want it closed", err)
	}
	fmt.Fprintln(writer, "end")
	if err := cmd.Wait(); err != nil {
		t.Errorf("got %v, want success", err)
	}
}

// TestRunHasTheExitCodeAlsoWhenNobodyReadsItsLine: a broken pipe would end it otherwise.
func TestRunHasTheExitCodeAlsoWhenNobodyReadsItsLine(t *testing.T) {
	t.Parallel()
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	reader.Close()
	defer writer.Close()
	cmd := exec.Command(notyetBinary, runArgs(t, nil, "sh", "-c", "exit 7")...)
	cmd.Stderr = writer
	_ = cmd.Run() // its state says more
	if code := cmd.ProcessState.ExitCode(); code != 7 {
		t.Errorf("got %v, want exit code 7", cmd.ProcessState)
	}
}

// TestRunReapsWhatItAdopts has it be the first process of a container, which gets the orphans.
func TestRunReapsWhatItAdopts(t *testing.T) {
	t.Parallel()
	const orphan = `(sleep 0.2 & echo $! >"$0"); while test -e "/proc/$(cat "$0")"; do sleep 0.02; done; echo "reaped by $PPID"`
	args := append([]string{"--pid", "--fork", "--mount-proc", notyetBinary}, runArgs(t, nil, "sh", "-c", orphan, t.TempDir()+"/pid")...)
	p := testbed.Start(t, testbed.Look(t, "unshare"), args...)
	if code := p.Wait(t, patience); code != 0 || p.Stdout() != "reaped by 1\n" {
		t.Errorf("got exit code %d and %q, want 0 and the orphan reaped by 1", code, p.Output())
	}
}

// TestRunChangesNothingElseForTheCommand asks a command about itself, with notyet and without.
func TestRunChangesNothingElseForTheCommand(t *testing.T) {
	t.Parallel()
	const about = `id; pwd; umask; ulimit -a; env | grep -v ^_= | sort
		grep -E '^(Sig(Blk|Ign)|Cap|NoNewPrivs|Seccomp|Groups|Cpus_allowed|voluntary)' /proc/self/status | grep -v voluntary
		cut -d ' ' -f 7 /proc/self/stat; cat /proc/self/oom_score_adj; ls /proc/self/fd; readlink /proc/self/ns/net /proc/self/ns/pid`
	for name, before := range map[string][]string{
		"as it is":                             {"env"},
		"signals that are blocked and ignored": {"env", "--block-signal=USR1", "--ignore-signal=INT", "--ignore-signal=HUP"},
		"limits":                               {"prlimit", "--nofile=300:4000", "--core=0"},
		"as another user":                      {"setpriv", "--reuid=65534", "--regid=65534", "--groups=65534,7", "--inh-caps=+sys_admin,+net_bind_service", "--ambient-caps=+sys_admin,+net_bind_service"},
		"without a few capabilities":           {"setpriv", "--bounding-set=-sys_time,-sys_ptrace", "--inh-caps=-all"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			command := []string{"sh", "-c", about}
			without := testbed.Start(t, testbed.Look(t, before[0]), append(before[1:], command...)...)
			without.Wait(t, patience)
			with := testbed.Start(t, testbed.Look(t, before[0]), append(append(before[1:], notyetBinary), runArgs(t, nil, command...)...)...)
			if code := with.Wait(t, patience); code != 0 {
				t.Errorf("got exit code %d, want 0: %s", code, with.Output())
			}
			if with.Stdout() != without.Stdout() || without.Stdout() == "" {
				t.Errorf("got\n%s\nwant\n%s", with.Stdout(), without.Stdout())
			}
		})
	}
}

// TestRunDoesNotMissAnotherTypeOfANameThatIsThere asks for the name's IPv6 addresses first, which it has not.
func TestRunDoesNotMissAnotherTypeOfANameThatIsThere(t *testing.T) {
	t.Parallel()
	b := watching()
	qname := newLabel() + "." + plainZone
	if err := b.add(qname + ". 60 A 192.0.2.7"); err != nil {
		t.Fatal(err)
	}
	p := startRun(t, []string{"--watch", plainZone, "--upstream", b.unbound.Addr.String()}, "getent", "hosts", qname)
	if code := p.Wait(t, patience); code != 0 || !strings.Contains(p.Stdout(), "192.0.2.7") {
		t.Errorf("got exit code %d and %q, want 0 and the address", code, p.Stdout())
	}
	if want := "notyet: nothing to rescue\n"; p.Stderr() != want {
		t.Errorf("got %q on standard error, want %q", p.Stderr(), want)
	}
}
