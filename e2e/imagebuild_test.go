//go:build e2e && linux

package e2e

import (
	"bytes"
	"crypto/sha256"
	"debug/elf"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"testing"

	"notyet/e2e/testbed"
)

// imageBinary is the binary of the image for this machine.
var imageBinary = sync.OnceValue(func() string { return buildForImage(&run, "..", runtime.GOARCH) })

// buildForImage runs what the Dockerfile has for it in a checkout.
func buildForImage(o testbed.Owner, checkout, arch string) string {
	o.Helper()
	text, err := os.ReadFile(dockerfile)
	if err != nil {
		o.Fatalf("%v", err)
	}
	const target = "/image/notyet"
	for line := range strings.Lines(string(text)) {
		script, ok := strings.CutPrefix(strings.TrimSpace(line), "RUN ")
		if !ok || !strings.Contains(script, "go build") || !strings.Contains(script, target) {
			continue
		}
		binary := o.TempDir() + "/notyet"
		cmd := exec.Command("sh", "-c", strings.ReplaceAll(script, target, binary))
		cmd.Dir = checkout
		cmd.Env = append(os.Environ(), "TARGETOS=linux", "TARGETARCH="+arch)
		if out, err := cmd.CombinedOutput(); err != nil {
			o.Fatalf("%s: %v\n%s", script, err, out)
		}
		return binary
	}
	o.Fatalf("%s has no RUN that builds %s", dockerfile, target)
	panic("unreachable")
}

func TestBinaryOfTheImageIsStatic(t *testing.T) {
	t.Parallel()
	f, err := elf.Open(imageBinary())
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
			t.Errorf("got a %v in the binary, want none: the image has no libraries", p.Type)
		}
	}
}

func TestBinaryOfTheImageIsReproducible(t *testing.T) {
	// Alone: while compilers work and write, others here wait for the disk.
	elsewhere := t.TempDir()
	output(t, exec.Command("sh", "-c", `tar -C .. --exclude=./.git -cf - . | tar -C "$0" -xf -`, elsewhere))
	var sums [][]byte
	for _, binary := range []string{imageBinary(), buildForImage(t, elsewhere, runtime.GOARCH)} {
		text, err := os.ReadFile(binary)
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(text)
		sums = append(sums, sum[:])
	}
	if !bytes.Equal(sums[0], sums[1]) {
		t.Errorf("got binaries with the sums %x, want the same from another directory", sums)
	}
}

// TestImageIsForThePlatformItIsBuiltFor has no other processor to run it on.
func TestImageIsForThePlatformItIsBuiltFor(t *testing.T) {
	// Alone: while compilers work and write, others here wait for the disk.
	arch, machine := "arm64", elf.EM_AARCH64
	if runtime.GOARCH == arch {
		arch, machine = "amd64", elf.EM_X86_64
	}
	s := newStore(t)
	s.build(t, "notyet", buildForImage(t, "..", arch), nil, "--platform", "linux/"+arch)
	if got := s.inspect(t, "notyet").OCIv1.Architecture; got != arch {
		t.Errorf("got architecture %q, want %q", got, arch)
	}
	f, err := elf.Open(s.unpack(t, "notyet") + "/rootfs/notyet")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if f.Machine != machine {
		t.Errorf("got a binary for %v, want one for %v", f.Machine, machine)
	}
}
