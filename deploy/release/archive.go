package main

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"
)

// member is a file of an archive.
type member struct {
	name string // in the archive, with slashes
	path string
	mode fs.FileMode
}

// documents are what the README leads to, at the same paths from it as here; deploy/debian/nfpm.yaml has them too.
var documents = []string{
	"LICENSE", "README.md", "CHANGELOG.md", "admin/README.md", "bench/README.md", "config/reference.yaml",
	"deploy/README.md", "deploy/container.md", "deploy/windows.md", "deploy/ci/README.md", "deploy/ci/compose.yaml",
	"deploy/ci/github/action.yml", "deploy/ci/github/summary/action.yml", "deploy/ci/gitlab.yml", "deploy/ci/sidecar.sh",
}

// members are what an archive for a platform has, in their order.
func (r *release) members(program string, t target) ([]member, error) {
	members := []member{{filepath.Base(program), program, 0o755}}
	for _, name := range documents {
		mode := fs.FileMode(0o644)
		if path.Ext(name) == ".sh" {
			mode = 0o755
		}
		members = append(members, member{name, filepath.FromSlash(name), mode})
	}
	trees := map[string]string{"completions": filepath.Join(r.work, "completions"), "man": filepath.Join(r.work, "man")}
	switch t.os {
	case "linux":
		trees["systemd"] = "deploy/systemd"
		members = append(members, member{"notyet.yaml", "deploy/debian/notyet.yaml", 0o644})
	case "darwin":
		trees["launchd"] = "deploy/launchd"
	case "windows":
		clear(trees) // nothing there shows manual pages, and PowerShell's completion is a command's output
	}
	for _, name := range []string{"completions", "launchd", "man", "systemd"} {
		tree, found := trees[name]
		if !found {
			continue
		}
		err := filepath.WalkDir(tree, func(file string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || strings.HasSuffix(file, ".go") {
				return err
			}
			rest, err := filepath.Rel(tree, file)
			members = append(members, member{path.Join(name, filepath.ToSlash(rest)), file, 0o644})
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return members, nil
}

// archive packs what somebody needs who has no package: a zip for Windows, else a compressed tar.
func (r *release) archive(program string, t target) (err error) {
	members, err := r.members(program, t)
	if err != nil {
		return err
	}
	write, suffix := writeTar, ".tar.gz"
	if t.os == "windows" {
		write, suffix = writeZip, ".zip"
	}
	file, err := os.Create(r.path(r.name(t) + suffix))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	return write(file, r.name(t), members, r.date)
}

// writeTar writes members that belong to root and are all of the same time.
func writeTar(to io.Writer, dir string, members []member, date time.Time) error {
	compressed, err := gzip.NewWriterLevel(to, gzip.BestCompression)
	if err != nil {
		return err
	}
	w := tar.NewWriter(compressed)
	for _, m := range members {
		content, err := os.ReadFile(m.path)
		if err != nil {
			return err
		}
		header := &tar.Header{
			Name: path.Join(dir, m.name), Mode: int64(m.mode), Size: int64(len(content)), ModTime: date,
			Uname: "root", Gname: "root", Format: tar.FormatUSTAR,
		}
		if err := w.WriteHeader(header); err != nil {
			return err
		}
		if _, err := w.Write(content); err != nil {
			return err
		}
	}
	return errors.Join(w.Close(), compressed.Close())
}

func writeZip(to io.Writer, dir string, members []member, date time.Time) error {
	w := zip.NewWriter(to)
	for _, m := range members {
		content, err := os.ReadFile(m.path)
		if err != nil {
			return err
		}
		header := &zip.FileHeader{Name: path.Join(dir, m.name), Method: zip.Deflate, Modified: date}
		header.SetMode(m.mode)
		entry, err := w.CreateHeader(header)
		if err != nil {
			return err
		}
		if _, err := entry.Write(content); err != nil {
			return err
		}
	}
	return w.Close()
}

// sums is the file with the checksums.
const sums = "SHA256SUMS"

// sum writes the checksums of all files, as sha256sum -c reads them.
func (r *release) sum() error {
	entries, err := os.ReadDir(r.out) // in the order of their names
	if err != nil {
		return err
	}
	var lines strings.Builder
	for _, entry := range entries {
		content, err := os.ReadFile(filepath.Join(r.out, entry.Name()))
		if err != nil {
			return err
		}
		fmt.Fprintf(&lines, "%x  %s\n", sha256.Sum256(content), entry.Name())
	}
	return os.WriteFile(r.path(sums), []byte(lines.String()), 0o644)
}
