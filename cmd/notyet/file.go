package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// What the files beside a kept one end in.
const (
	unfinished = ".tmp" // one that is being written, behind a number
	setAside   = ".bad" // the last one that could not be read
)

// restoreWait is how long the first queries wait, in their sockets, for a file to be read: some five times what
// 100,000 answers take, and less than it takes a stub to ask again.
const restoreWait = time.Second

// errIrregular is what a pipe, a device and a directory are.
var errIrregular = errors.New("no regular file")

// keptFile is what outlives the process: a file that is replaced as a whole and that only we may read. Its methods are for one
// goroutine.
type keptFile struct {
	path    string
	what    string // in the log, as in snapshot
	key     string // of the configuration, that names it
	names   string // what that key names, as in a file
	room    string // that it needs, as in two snapshots
	log     *slog.Logger
	failing bool // the last one could not be written
}

// write replaces the file as a whole: whoever reads it, at whatever moment, finds the old one or the new one.
func (k *keptFile) write(fill func(io.Writer) error) error {
	f, err := k.create()
	if err != nil {
		return err
	}
	// All are called whatever came before. Without Sync a file could be there after a power cut and what is in it not.
	if err = cmp.Or(fill(f), f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), k.path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}

// replaceable returns an error for what is there and is no file: it is not ours, and root could replace even a device. A link is replaced,
// and not followed: somebody may have put it there to have another file overwritten.
func (k *keptFile) replaceable() error {
	info, err := os.Lstat(k.path)
	if err != nil || info.Mode().IsRegular() || info.Mode().Type() == fs.ModeSymlink {
		return nil // it is still to come, or create says what is wrong
	}
	return fmt.Errorf("%s is %w", k.path, errIrregular)
}

// create opens a new file beside the kept one, which only we may read: it says what clients have asked for.
func (k *keptFile) create() (*os.File, error) {
	if err := k.replaceable(); err != nil {
		return nil, err
	}
	dir, name := filepath.Split(k.path)
	return os.CreateTemp(dir, name+".*"+unfinished)
}

// tidy takes away what processes left behind that were killed while they wrote, and finds out whether we may write. What is
// younger than old may be written right now, by the process that this one takes over from.
func (k *keptFile) tidy(old time.Duration) error {
	dir, name := filepath.Split(k.path)
	files, _ := os.ReadDir(dir) // what is wrong with it, create will say
	for _, f := range files {
		if rest, ours := strings.CutPrefix(f.Name(), name+"."); !ours || !strings.HasSuffix(rest, unfinished) {
			continue
		}
		if info, err := f.Info(); err == nil && time.Since(info.ModTime()) > old {
			_ = os.Remove(filepath.Join(dir, f.Name()))
		}
	}
	f, err := k.create()
	if err != nil {
		return err
	}
	_ = f.Close()
	_ = os.Remove(f.Name())
	return nil
}

// open opens the file to be read.
func (k *keptFile) open() (*os.File, error) {
	info, err := os.Stat(k.path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() { // opening a pipe could take forever
		return nil, fmt.Errorf("%s is %w", k.path, errIrregular)
	}
	return os.Open(k.path)
}

// unread tells of a file that can't be read, and sets one that is damaged aside.
func (k *keptFile) unread(err error, damaged bool) {
	if !damaged {
		k.log.Warn(k.what+" not read", "err", err)
		return
	}
	if e := os.Rename(k.path, k.path+setAside); e != nil {
		k.log.Warn(k.what+" not read", "err", fmt.Errorf("%w; set aside: %w", err, e))
		return
	}
	k.log.Warn(k.what+" set aside", "as", k.path+setAside, "err", err)
}

// unwritten tells that the file can't be written, once until it can.
func (k *keptFile) unwritten(err error) {
	if k.failing {
		return
	}
	k.failing = true
	dir := filepath.Dir(k.path)
	remedy := "make room in " + dir + " for " + k.room + ": the old one stays until the new one is whole"
	switch {
	case errors.Is(err, errIrregular), errors.Is(err, syscall.ENOTDIR): // something is in the way that has another kind
		remedy = "name " + k.names + " of notyet's own in " + k.key
	case errors.Is(err, fs.ErrNotExist):
		remedy = "make the directory " + dir + ", or change " + k.key
	case !errors.Is(err, syscall.ENOSPC):
		remedy = "let the user that notyet runs as write to " + dir + ", or change " + k.key
	}
	k.log.Warn(k.what+" not written", "err", err, "remedy", remedy)
}

// written is the level to tell of a file at that was written: people hear of the first after some that were not.
func (k *keptFile) written() slog.Level {
	was := k.failing
	k.failing = false
	if was {
		return slog.LevelInfo
	}
	return slog.LevelDebug
}

// behind runs restore and then save in a goroutine. It returns when restore has, or after restoreWait. end ends save's
// context and waits for both.
func behind(restore func(), save func(context.Context)) (end func()) {
	ctx, stop := context.WithCancel(context.Background())
	restored, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		restore()
		close(restored)
		save(ctx)
	}()
	patience := time.NewTimer(restoreWait)
	defer patience.Stop()
	select {
	case <-restored:
	case <-patience.C:
	}
	return func() {
		stop()
		<-done
	}
}
