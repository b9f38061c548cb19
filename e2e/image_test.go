//go:build e2e && linux

package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"notyet/e2e/testbed"
)

const dockerfile = "../deploy/Dockerfile"

// A store is where images are built and kept.
type store struct {
	dir     string
	buildah string
}

func newStore(t *testing.T) store {
	t.Helper()
	return store{dir: t.TempDir(), buildah: testbed.Look(t, "buildah")}
}

func (s store) run(t *testing.T, args ...string) string {
	t.Helper()
	return output(t, exec.Command(s.buildah, append([]string{
		"--root", s.dir + "/root", "--runroot", s.dir + "/runroot", "--storage-driver", "vfs",
	}, args...)...))
}

// output is what a command prints that has to succeed.
func output(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s%s", filepath.Base(cmd.Path), cmd.Args[1:], err, out, &stderr)
	}
	return string(out)
}

// build makes an image of a binary that is there, with more files by their path, and nothing from the network.
func (s store) build(t *testing.T, name, binary string, files map[string]string, args ...string) {
	t.Helper()
	root := t.TempDir()
	into := func(path string, from io.Reader, mode os.FileMode) {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, mode)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := io.Copy(f, from); err != nil {
			t.Fatal(err)
		}
	}
	f, err := os.Open(binary)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	into(root+"/notyet", f, 0o755)
	for _, path := range slices.Sorted(maps.Keys(files)) {
		into(filepath.Join(root, path), strings.NewReader(files[path]), 0o644)
	}
	s.run(t, slices.Concat([]string{
		"bud", "--isolation", "chroot", "--pull-never", "--timestamp", "0", "-f", dockerfile, "--target", "prebuilt", "-t", name,
	}, args, []string{root})...)
}

// image is what an image says of itself.
type image struct {
	Manifest string
	OCIv1    struct {
		Architecture string
		RootFS       struct {
			Layers []string `json:"diff_ids"`
		}
	}
	Docker struct {
		Config struct {
			User         string
			ExposedPorts map[string]struct{}
			Entrypoint   []string
			Cmd          []string
			Labels       map[string]string
			Healthcheck  struct{ Test []string }
		}
	}
}

func (s store) inspect(t *testing.T, name string) (i image) {
	t.Helper()
	if err := json.Unmarshal([]byte(s.run(t, "inspect", "--type", "image", name)), &i); err != nil {
		t.Fatal(err)
	}
	return i
}

// A container runs an image by runc.
type container struct {
	*testbed.Process
	id, state string
	runc      string
}

// imagesOwn stands for the user of the image.
const imagesOwn = -1

// containerConfig is what an engine would be told.
type containerConfig struct {
	args         []string          // in place of the image's
	user         int               // in place of the image's; imagesOwn: that
	capabilities []string          // none if there are none
	network      *network          // nil: that of the tests
	sysctls      map[string]string // of a network of its own
	readOnly     bool
	resolvConf   string // of the machine; empty: none
}

// start starts one.
func (s store) start(t *testing.T, name string, c containerConfig) *container {
	t.Helper()
	bundle := s.unpack(t, name)
	configure(t, bundle, c)
	r := &container{id: fmt.Sprintf("notyet-%d-%s", os.Getpid(), newLabel()), state: t.TempDir(), runc: testbed.Look(t, "runc")}
	t.Cleanup(func() { _ = exec.Command(r.runc, "--root", r.state, "delete", "--force", r.id).Run() })
	r.Process = testbed.Start(t, r.runc, "--root", r.state, "run", "--bundle", bundle, r.id)
	return r
}

// unpack makes a bundle of an image, which has its files in rootfs.
func (s store) unpack(t *testing.T, name string) string {
	t.Helper()
	dir := t.TempDir()
	s.run(t, "push", name, "oci:"+dir+"/oci:"+name)
	output(t, exec.Command(testbed.Look(t, "umoci"), "unpack", "--image", dir+"/oci:"+name, dir+"/bundle"))
	return dir + "/bundle"
}

// configure changes what umoci has made of the image's configuration.
func configure(t *testing.T, bundle string, c containerConfig) {
	t.Helper()
	path := filepath.Join(bundle, "config.json")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var spec map[string]any
	if err := json.Unmarshal(text, &spec); err != nil {
		t.Fatal(err)
	}
	process, linux := spec["process"].(map[string]any), spec["linux"].(map[string]any)
	process["terminal"] = false
	sets := make(map[string]any)
	for _, set := range []string{"bounding", "effective", "inheritable", "permitted", "ambient"} {
		sets[set] = slices.Concat([]string{}, c.capabilities)
	}
	process["capabilities"] = sets
	if c.args != nil {
		process["args"] = c.args
	}
	if c.user != imagesOwn {
		process["user"] = map[string]int{"uid": c.user, "gid": c.user}
	}
	spec["root"].(map[string]any)["readonly"] = c.readOnly
	if c.resolvConf != "" {
		spec["mounts"] = append(spec["mounts"].([]any), map[string]any{
			"destination": "/etc/resolv.conf", "type": "bind", "source": c.resolvConf, "options": []string{"bind", "ro"},
		})
	}
	// Which groups of processes it is in is the engine's affair, as is its network.
	delete(linux, "resources")
	spec["mounts"] = slices.DeleteFunc(spec["mounts"].([]any), func(m any) bool { return m.(map[string]any)["type"] == "cgroup" })
	linux["namespaces"] = slices.DeleteFunc(linux["namespaces"].([]any), func(n any) bool { return n.(map[string]any)["type"] == "network" })
	if c.network != nil {
		linux["namespaces"] = append(linux["namespaces"].([]any), map[string]any{"type": "network", "path": c.network.path})
		linux["sysctl"] = c.sysctls
	} else {
		spec["mounts"] = slices.DeleteFunc(spec["mounts"].([]any), func(m any) bool { return m.(map[string]any)["type"] == "sysfs" })
	}
	if text, err = json.Marshal(spec); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, text, 0o644); err != nil {
		t.Fatal(err)
	}
}

// resolvConfOf is a file that names one server.
func resolvConfOf(t *testing.T, server string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "resolv.conf")
	if err := os.WriteFile(path, []byte("nameserver "+server+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// exec runs a command in the container, as its user, and returns its exit code and what it wrote.
func (r *container) exec(t *testing.T, args ...string) (int, string) {
	t.Helper()
	cmd := exec.Command(r.runc, append([]string{"--root", r.state, "exec", r.id}, args...)...)
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Fatalf("runc exec %q: %v", args, err)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}

// status is a line of /proc/PID/status of the container's first process.
func (r *container) status(t *testing.T, key string) string {
	t.Helper()
	var state struct{ PID int }
	if err := json.Unmarshal([]byte(output(t, exec.Command(r.runc, "--root", r.state, "state", r.id))), &state); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", state.PID))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, key+":"); ok {
			return strings.Join(strings.Fields(value), " ")
		}
	}
	t.Fatalf("no %s in %s", key, text)
	return ""
}
