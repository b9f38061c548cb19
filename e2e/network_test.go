//go:build e2e && linux

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"notyet/e2e/testbed"
)

// A network is one of a container's own, where nobody else is.
type network struct {
	path string // of its namespace
}

func newNetwork(t *testing.T) *network {
	t.Helper()
	const up = "ip link set lo up && echo up && exec sleep infinity"
	holder := testbed.Start(t, testbed.Look(t, "unshare"), "--net", "sh", "-c", up)
	testbed.Until(t, patience, "a network, for which this has to be root", func() bool { return strings.Contains(holder.Output(), "up\n") })
	return &network{path: fmt.Sprintf("/proc/%d/ns/net", holder.PID)}
}

// command is one that runs there.
func (n *network) command(t *testing.T, program string, args ...string) *exec.Cmd {
	t.Helper()
	return exec.Command(testbed.Look(t, "nsenter"), append([]string{"--net=" + n.path, "--", testbed.Look(t, program)}, args...)...)
}

// dig asks what is at a port.
func (n *network) dig(t *testing.T, port int, question ...string) string {
	t.Helper()
	return output(t, n.command(t, "kdig", append([]string{"@127.0.0.1", "-p", fmt.Sprint(port)}, question...)...))
}

// startDockersResolver starts a resolver that is where Docker has it: it is asked at 127.0.0.11:53, and listens elsewhere.
func (n *network) startDockersResolver(t *testing.T) {
	t.Helper()
	conf := filepath.Join(t.TempDir(), "unbound.conf")
	text := fmt.Sprintf(`server:
  interface: 127.0.0.11@5353
  chroot: ""
  username: ""
  pidfile: ""
  use-syslog: no
  local-data: "www.%s. 60 A %s"
remote-control:
  control-enable: no
`, plainZone, rightAddress)
	if err := os.WriteFile(conf, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	testbed.StartCommand(t, n.command(t, "unbound", "-d", "-c", conf))
	for _, rule := range []string{
		"add table ip nat", "add chain ip nat output { type nat hook output priority -100; }",
		"add rule ip nat output ip daddr 127.0.0.11 udp dport 53 dnat to 127.0.0.11:5353",
	} {
		output(t, n.command(t, "nft", rule))
	}
	testbed.Until(t, patience, "Docker's resolver", func() bool {
		out, _ := n.command(t, "kdig", "@127.0.0.11", "+timeout=1", "www."+plainZone).Output()
		return strings.Contains(string(out), rightAddress)
	})
}
