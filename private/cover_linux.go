package private

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// cover is a file or directory of the machine's that the command sees something else in the place of.
type cover struct {
	path string // symbolic links are followed
	// text makes what is seen of what the machine has; the same: the file stays as it is. nil: path is a directory, of which
	// an empty one is seen.
	text   func(machine string) string
	needed bool // it is a fault when there is no such file

	covered fs.FileInfo // what is seen; nil: the machine's
	file    *os.File    // the same, of a file
	spares  []int       // mounts of it that have no place yet; none: there are none to be had
}

// covers are all of them. Their methods are for a thread that has a mount namespace of its own.
type covers []*cover

// put covers everything. Nobody may be in the namespace yet: for a moment directories look empty.
func (all covers) put() error { return all.each((*cover).put) }

// putAgain covers what is no longer: when a file is replaced by another, the kernel takes away what is mounted over it, in all
// namespaces.
func (all covers) putAgain() error { return all.each((*cover).putAgain) }

func (all covers) each(f func(c *cover, path string) error) error {
	var errs []error
	for _, c := range all {
		path, err := filepath.EvalSymlinks(c.path)
		if err == nil {
			err = f(c, path)
		}
		if err != nil && (c.needed || !errors.Is(err, fs.ErrNotExist)) {
			errs = append(errs, fmt.Errorf("cover %s: %w", c.path, cause(err)))
		}
	}
	return errors.Join(errs...)
}

func (c *cover) put(path string) error {
	seen, err := os.Stat(path)
	switch {
	case err != nil:
		return err
	case c.covered != nil && os.SameFile(seen, c.covered): // by another name
		return nil
	case c.text == nil:
		return c.hide(path)
	}
	machine, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if text := c.text(string(machine)); text != string(machine) {
		return c.replace(path, text)
	}
	return nil
}

func (c *cover) putAgain(path string) error {
	seen, err := os.Stat(path)
	switch {
	case err != nil:
		return err
	case c.covered != nil && os.SameFile(seen, c.covered):
		return nil
	case c.text == nil:
		return c.hide(path)
	case c.file == nil: // it was good as it was
		return nil
	}
	return c.replaceAgain(path)
}

// remove lets the machine's be seen again.
func (all covers) remove() {
	_ = all.each(func(c *cover, path string) error {
		if seen, err := os.Stat(path); err == nil && c.covered != nil && os.SameFile(seen, c.covered) {
			return os.NewSyscallError("unmount", unix.Unmount(path, unix.MNT_DETACH))
		}
		return nil
	})
	for _, c := range all {
		if c.file != nil {
			c.file.Close()
			for _, fd := range c.spares {
				unix.Close(fd)
			}
		}
	}
}

// hide mounts an empty directory over another.
func (c *cover) hide(path string) (err error) {
	if err := mountTmpfs(path); err != nil {
		return err
	}
	c.covered, err = os.Stat(path)
	return err
}

// replace mounts a file with the text over another. The file is on a tmpfs that has no place in the tree, other than for the
// moment in which it covers the file's directory; so it is gone with the namespace.
func (c *cover) replace(path, text string) (err error) {
	// Held open, since it can't be reached by its path in that moment.
	target, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("open", err)
	}
	defer unix.Close(target)
	dir := filepath.Dir(path)
	if err := mountTmpfs(dir); err != nil {
		return err
	}
	err = c.bind(path, text, "/proc/self/fd/"+strconv.Itoa(target))
	if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
		return os.NewSyscallError("unmount", err)
	}
	if err == nil {
		c.stock(unix.AT_FDCWD, path)
	}
	return err
}

// bind writes a new file, and mounts it on the target. It is a fault when the file is there: a directory that can't be covered
// is the machine's.
func (c *cover) bind(path, text, target string) (err error) {
	c.file, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if err := c.write(text); err != nil {
		return err
	}
	if err := unix.Mount(path, target, "", unix.MS_BIND, ""); err != nil {
		return os.NewSyscallError("mount", err)
	}
	c.covered, err = c.file.Stat()
	return err
}

func (c *cover) write(text string) error {
	if err := c.file.Truncate(0); err != nil {
		return err
	}
	if _, err := c.file.WriteAt([]byte(text), 0); err != nil {
		return err
	}
	return c.file.Chmod(0o644) // whatever the umask
}

// replaceAgain mounts the same file anew, with a text made of what it is mounted over: held open, so that if that has been replaced
// meanwhile, the mount is refused.
func (c *cover) replaceAgain(path string) error {
	if len(c.spares) == 0 {
		return errors.New("it has been replaced, and that it can be covered again takes Linux 5.2")
	}
	target, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("open", err)
	}
	defer unix.Close(target)
	machine, err := os.ReadFile("/proc/self/fd/" + strconv.Itoa(target))
	if err != nil {
		return err
	}
	if err := c.write(c.text(string(machine))); err != nil {
		return err
	}
	spare := c.spares[0]
	if err := unix.MoveMount(spare, "", target, "", unix.MOVE_MOUNT_F_EMPTY_PATH|unix.MOVE_MOUNT_T_EMPTY_PATH); err != nil {
		return os.NewSyscallError("move_mount", err)
	}
	c.spares = c.spares[1:]
	c.stock(spare, "")
	unix.Close(spare)
	return nil
}

// stock makes spares of what is mounted. When that has been taken away meanwhile it makes none: so there are a few.
func (c *cover) stock(fd int, path string) {
	const enough = 4
	for len(c.spares) < enough {
		spare, err := unix.OpenTree(fd, path, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_EMPTY_PATH)
		if err != nil {
			return
		}
		c.spares = append(c.spares, spare)
	}
}

func mountTmpfs(dir string) error {
	const flags = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC
	return os.NewSyscallError("mount", unix.Mount("notyet", dir, "tmpfs", flags, "mode=755,size=256k"))
}

// cause is an error without the path, which is told once.
func cause(err error) error {
	var at *fs.PathError
	if errors.As(err, &at) {
		return at.Err
	}
	return err
}
