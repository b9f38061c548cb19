package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// versions is what may be one: it becomes a part of file names and of Debian's version.
var versions = regexp.MustCompile(`^v[0-9]+\.[0-9]+\.[0-9]+[0-9A-Za-z.+-]*$`)

// chooseVersion is the one that is given, or else the last tag with how far the source is from it; before the first tag,
// v0.0.0 with the commit.
func chooseVersion(ctx context.Context, given string) (string, error) {
	version := given
	if version == "" {
		described, err := git(ctx, "describe", "--tags", "--match=v[0-9]*", "--always", "--dirty")
		if err != nil {
			return "", fmt.Errorf("%w; outside a clone of the repository, say the version: -version v1.2.3", err)
		}
		if version = described; !strings.HasPrefix(version, "v") {
			version = "v0.0.0-0-g" + version
		}
	}
	if !versions.MatchString(version) {
		return "", fmt.Errorf("version %q: write it as in v1.2.3", version)
	}
	return version, nil
}

var sinceTag = regexp.MustCompile(`-([0-9]+)-g([0-9a-f]+)`)

// debianVersion puts what comes after a release behind it, and what comes before it, such as -rc.1, before it.
func debianVersion(version string) string {
	version = strings.TrimPrefix(version, "v")
	version = strings.Replace(version, "-dirty", "+dirty", 1)
	version = sinceTag.ReplaceAllString(version, "+$1.g$2")
	return strings.ReplaceAll(version, "-", "~")
}

// sourceDate is that of the last commit, or what SOURCE_DATE_EPOCH says (reproducible-builds.org).
func sourceDate(ctx context.Context) (time.Time, error) {
	seconds := os.Getenv("SOURCE_DATE_EPOCH")
	if seconds == "" {
		var err error
		if seconds, err = git(ctx, "log", "-1", "--format=%ct"); err != nil {
			return time.Time{}, fmt.Errorf("%w; outside a clone of the repository, set SOURCE_DATE_EPOCH", err)
		}
	}
	n, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil || n < 0 {
		return time.Time{}, fmt.Errorf("SOURCE_DATE_EPOCH %q: write seconds since 1970", seconds)
	}
	return time.Unix(n, 0).UTC(), nil
}

func git(ctx context.Context, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, "git", args...).Output()
	if err != nil {
		return "", fmt.Errorf("git %s: %w", args[0], err)
	}
	return strings.TrimSpace(string(out)), nil
}
