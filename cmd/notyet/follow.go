package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"

	"notyet/config"
)

const (
	// settle is how long a file has to stay the same: what is being written is not read half.
	settle = 100 * time.Millisecond
	// look is how often files are read that nothing is told of: a bind mount hides who writes behind it, a network file
	// system tells nothing, and the system may be out of inotify instances.
	look = 5 * time.Second
)

// follower tells when files say something else than before, however that came about: written in place, replaced by
// rename, gone, or behind a symbolic link that leads elsewhere, as those of a ConfigMap do.
type follower struct {
	files   []string
	watcher *fsnotify.Watcher // nil: there is none to be had
	watched map[string]bool   // the files, and what symbolic links lead to from them
	told    string            // what the files said when it was last told; empty: it was not yet
}

// newFollower makes one that tells first of what the files say at the beginning: they may have changed since somebody read them.
// Run has to be called.
func newFollower(files ...string) *follower {
	f := &follower{files: files}
	if w, err := fsnotify.NewWatcher(); err == nil {
		f.watcher = w
	}
	return f
}

// run calls changed each time that the files say something else than was told and have settled, until ctx ends. It also
// looks at each tick of looks.
func (f *follower) run(ctx context.Context, looks <-chan time.Time, changed func()) {
	var events <-chan fsnotify.Event // of anything in the directories
	var lost <-chan error            // too many of them
	if f.watcher != nil {
		defer f.watcher.Close()
		events, lost = f.watcher.Events, f.watcher.Errors
	}
	seen, settling := f.told, false
	timer := time.NewTimer(0) // something may have happened before there is a watch
	defer timer.Stop()
	soon := func() {
		if !settling { // however much goes on
			settling = true
			timer.Reset(settle)
		}
	}
	check := func() {
		f.watch() // first, so that no change goes unnoticed after the reading
		now := f.read()
		if now != f.told && now == seen {
			f.told = now
			changed()
		}
		if seen, settling = now, now != f.told; settling {
			timer.Reset(settle)
		}
	}
	for {
		select {
		case <-ctx.Done():
			return
		case e := <-events:
			if f.concerns(e) {
				soon()
			}
		case <-lost:
			soon()
		case <-looks:
			if !settling {
				check()
			}
		case <-timer.C:
			check()
		}
	}
}

// concerns reports whether what happened in a directory may change what the files say: to be written or to get other
// permissions does not when it happens to another file, such as a log beside them.
func (f *follower) concerns(e fsnotify.Event) bool {
	return e.Op&^(fsnotify.Write|fsnotify.Chmod) != 0 || f.watched[filepath.Clean(e.Name)]
}

// read is all that the files say, or why they can't be read.
func (f *follower) read() string {
	var all strings.Builder
	for _, file := range f.files {
		data, err := config.ReadFile(file)
		fmt.Fprintf(&all, "%s\x00%v\x00", data, err)
	}
	return all.String()
}

// watch watches the directories of the files, also those that symbolic links lead to now, and no others. What can't be
// watched is looked at.
func (f *follower) watch() {
	if f.watcher == nil {
		return
	}
	wanted := make(map[string]bool)
	f.watched = make(map[string]bool)
	add := func(file string) {
		f.watched[file], wanted[filepath.Dir(file)] = true, true
	}
	for _, file := range f.files {
		add(filepath.Clean(file))
		if behind, err := filepath.EvalSymlinks(file); err == nil {
			add(behind)
		}
	}
	for _, dir := range f.watcher.WatchList() {
		if !wanted[dir] {
			_ = f.watcher.Remove(dir)
		}
	}
	for dir := range wanted {
		_ = f.watcher.Add(dir)
	}
}
