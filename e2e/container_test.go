//go:build e2e && linux

package e2e

import (
	"fmt"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"notyet/e2e/testbed"
	"notyet/upstream/upstreamtest"
)

// imageUser is who notyet is in a container.
const imageUser = "65532"

func TestImageSaysWhatAnEngineHasToKnow(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	s.build(t, "notyet", imageBinary(), nil, "--format", "docker", "--build-arg", "VERSION=v1.2.3", "--build-arg", "REVISION=abc")
	c := s.inspect(t, "notyet").Docker.Config
	if c.User != imageUser+":"+imageUser {
		t.Errorf("got user %q, want a number that is not root's", c.User)
	}
	if _, udp := c.ExposedPorts["1053/udp"]; len(c.ExposedPorts) != 2 || !udp {
		t.Errorf("got ports %v, want 1053 for UDP and TCP", c.ExposedPorts)
	}
	if !slices.Equal(c.Entrypoint, []string{"/notyet"}) || !slices.Equal(c.Cmd, []string{"serve", "--listen", "0.0.0.0:1053"}) {
		t.Errorf("got entrypoint %q and command %q", c.Entrypoint, c.Cmd)
	}
	if !slices.Equal(c.Healthcheck.Test, []string{"CMD", "/notyet", "check", "--live"}) {
		t.Errorf("got health check %q", c.Healthcheck.Test)
	}
	for label, want := range map[string]string{"title": "notyet", "licenses": "Apache-2.0", "version": "v1.2.3", "revision": "abc"} {
		if got := c.Labels["org.opencontainers.image."+label]; got != want {
			t.Errorf("got label %s %q, want %q", label, got, want)
		}
	}
	files := output(t, exec.Command("find", s.unpack(t, "notyet")+"/rootfs", "-mindepth", "1"))
	if strings.Count(files, "\n") != 1 || !strings.HasSuffix(files, "/notyet\n") {
		t.Errorf("got files\n%swant notyet alone", files)
	}
}

func TestImageIsReproducible(t *testing.T) {
	t.Parallel()
	var digests, layers []string
	for range 2 {
		s := newStore(t)
		s.build(t, "notyet", imageBinary(), map[string]string{"etc/ssl/certs/ca-certificates.crt": "roots"}, "--format", "oci")
		digests = append(digests, s.run(t, "images", "--no-trunc", "--format", "{{.Digest}}", "notyet"))
		layers = append(layers, fmt.Sprint(s.inspect(t, "notyet").OCIv1.RootFS.Layers))
	}
	if digests[0] != digests[1] || layers[0] != layers[1] || len(strings.TrimSpace(digests[0])) != len("sha256:")+64 {
		t.Errorf("got digests %q and layers %q, want the same twice", digests, layers)
	}
}

// TestContainerIsHealthyAsItIsStartedByDefault has a network of its own, where there is no upstream: it is ready without.
func TestContainerIsHealthyAsItIsStartedByDefault(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	s.build(t, "notyet", imageBinary(), nil, "--format", "docker")
	network := newNetwork(t)
	c := s.start(t, "notyet", containerConfig{
		user: imagesOwn, network: network, readOnly: true, resolvConf: resolvConfOf(t, "192.0.2.53"),
	})
	wantListening(t, c)
	if out := network.dig(t, 1053, "CH", "TXT", "version.bind"); !strings.Contains(out, `"notyet `) {
		t.Errorf("got %s, want notyet's version", out)
	}
	check := s.inspect(t, "notyet").Docker.Config.Healthcheck.Test[1:]
	if code, out := c.exec(t, check...); code == 1 && !strings.Contains(out, "no upstream has answered yet") {
		t.Errorf("got %q, want it not to be ready", out)
	}
	wantHealthy(t, c, check)
	if uid, capabilities := c.status(t, "Uid"), c.status(t, "CapEff"); uid != strings.TrimSuffix(strings.Repeat(imageUser+" ", 4), " ") || strings.Trim(capabilities, "0") != "" {
		t.Errorf("got user %s with capabilities %s, want %s and none", uid, capabilities, imageUser)
	}
	stopped(t, c)
	if code, out := c.exec(t, check...); code == 0 {
		t.Errorf("got %q of a container that has ended", out)
	}
}

func TestContainerForwards(t *testing.T) {
	t.Parallel()
	ca := upstreamtest.NewAuthority(t)
	u := startSecureUnbound(t, ca.For(t, upstreamName))
	s := newStore(t)
	s.build(t, "notyet", imageBinary(), map[string]string{"etc/ssl/certs/ca-certificates.crt": string(ca.PEM())})
	for _, test := range []struct{ name, upstream string }{
		{"to the servers of its resolv.conf", ""},
		{"over TLS, by the roots in the image", fmt.Sprintf("tls://%s#%s", u.tls, upstreamName)},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			at := nobody(t)
			config := containerConfig{user: imagesOwn, args: []string{"/notyet", "serve", "--listen", at.String(), "--admin", nobody(t).String()}}
			if test.upstream != "" {
				config.args = append(config.args, "--upstream", test.upstream)
			} else {
				server := startUpstreamAt(t, netip.AddrPortFrom(testbed.Address(t), testbed.DNSPort), func(in *incoming) { in.reply(in.address(rightAddress)) })
				config.resolvConf = resolvConfOf(t, server.addr.Addr().String())
			}
			c := s.start(t, "notyet", config)
			wantListening(t, c)
			q := ask("www."+plainZone, dns.TypeA)
			if r := over(t, "udp", at, q); len(r.Answer) == 0 {
				t.Errorf("%s: got %v, want an address", describe(q), r)
			}
		})
	}
}

func TestContainerAtPort53(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	s.build(t, "notyet", imageBinary(), nil)
	serve := func(t *testing.T) (netip.AddrPort, []string) {
		at := netip.AddrPortFrom(testbed.Address(t), testbed.DNSPort)
		return at, []string{"/notyet", "serve", "--listen", at.String(), "--admin", "", "--upstream", watching().unbound.Addr.String()}
	}
	t.Run("as root with one capability", func(t *testing.T) {
		t.Parallel()
		at, args := serve(t)
		c := s.start(t, "notyet", containerConfig{user: 0, args: args, capabilities: []string{"CAP_NET_BIND_SERVICE"}})
		wantListening(t, c)
		if got := c.status(t, "CapEff"); got != "0000000000000400" {
			t.Errorf("got capabilities %s, want one", got)
		}
		over(t, "udp", at, ask("www."+plainZone, dns.TypeA))
		stopped(t, c)
	})
	t.Run("without", func(t *testing.T) {
		t.Parallel()
		_, args := serve(t)
		c := s.start(t, "notyet", containerConfig{user: imagesOwn, args: args})
		if code := c.Wait(t, patience); code != 1 || !strings.Contains(c.Output(), "permission denied") {
			t.Errorf("got exit code %d and %q, want 1 and why", code, c.Output())
		}
	})
}

// TestComposeServiceAnswersAtPort53 starts notyet as Compose would.
func TestComposeServiceAnswersAtPort53(t *testing.T) {
	t.Parallel()
	n := readCompose(t).Services["notyet"]
	s := newStore(t)
	s.build(t, "notyet", imageBinary(), nil)
	network := newNetwork(t)
	network.startDockersResolver(t)
	c := s.start(t, "notyet", containerConfig{
		user: imagesOwn, args: append([]string{"/notyet"}, n.Command...), network: network, sysctls: n.Sysctls, readOnly: n.ReadOnly,
		resolvConf: resolvConfOf(t, "127.0.0.11"),
	})
	wantListening(t, c)
	if out := network.dig(t, testbed.DNSPort, "www."+plainZone); !strings.Contains(out, rightAddress) {
		t.Errorf("got %s, want the address that Docker's resolver has", out)
	}
	wantHealthy(t, c, n.Healthcheck.Test[1:])
	if got := c.status(t, "CapEff"); strings.Trim(got, "0") != "" || !slices.Equal(n.CapDrop, []string{"ALL"}) {
		t.Errorf("got capabilities %s, want none", got)
	}
}

func wantListening(t *testing.T, c *container) {
	t.Helper()
	testbed.Until(t, patience, "the container to listen", func() bool {
		if !c.Running() {
			t.Fatalf("the container has ended: %s", c.Output())
		}
		return strings.Contains(c.Output(), "listening")
	})
}

// wantHealthy does a health check until it succeeds, which is when notyet no longer waits for an upstream.
func wantHealthy(t *testing.T, c *container, check []string) {
	t.Helper()
	testbed.Until(t, patience, "the container to be healthy", func() bool {
		code, _ := c.exec(t, check...)
		return code == 0
	})
}

// stopped stops a container as an engine does.
func stopped(t *testing.T, c *container) {
	t.Helper()
	output(t, exec.Command(c.runc, "--root", c.state, "kill", c.id, "TERM"))
	if code := c.Wait(t, patience); code != 0 {
		t.Errorf("got exit code %d at SIGTERM, want 0: %s", code, c.Output())
	}
}
