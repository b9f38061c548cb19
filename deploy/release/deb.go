package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
)

// pack makes the Debian package of a program, as deploy/debian/nfpm.yaml says.
func (r *release) pack(ctx context.Context, program string, t target) error {
	version := debianVersion(r.version)
	out := r.path("notyet_" + version + "_" + t.arch + ".deb")
	cmd := exec.CommandContext(ctx, "go", "tool", "-modfile=tools/go.mod", "nfpm", "package", "--config=deploy/debian/nfpm.yaml", "--packager=deb", "--target="+out)
	cmd.Env = append(os.Environ(),
		"ARCH="+t.arch, "VERSION="+version, "PROGRAM="+program, "WORK="+r.work,
		"SOURCE_DATE_EPOCH="+strconv.FormatInt(r.date.Unix(), 10))
	if said, err := cmd.CombinedOutput(); err != nil { // else it says what was said already
		return fmt.Errorf("nfpm: %w\n%s", err, said)
	}
	return nil
}
