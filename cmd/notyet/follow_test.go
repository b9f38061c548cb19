package main

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fsnotify/fsnotify"
)

// put writes a file in place.
func put(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// replace puts a new file in the place of another.
func replace(t testing.TB, path, text string) {
	t.Helper()
	put(t, path+".new", text)
	rename(t, path+".new", path)
}

func rename(t testing.TB, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

// link makes a symbolic link, also in the place of another.
func link(t testing.TB, to, path string) {
	t.Helper()
	if err := os.Symlink(to, path+".new"); err != nil {
		t.Fatal(err)
	}
	rename(t, path+".new", path)
}

func mkdir(t testing.TB, path string) {
	t.Helper()
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
}

// TestChangeIsTold has the ways in which a file comes to say something else, and wants each told sooner than a look would.
func TestChangeIsTold(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		prepare func(t *testing.T, dir string)
		change  []func(t *testing.T, dir string) // each is told
	}{
		{
			"written in place, cut off at first",
			func(t *testing.T, dir string) { put(t, dir+"/file", "old") },
			[]func(*testing.T, string){func(t *testing.T, dir string) {
				put(t, dir+"/file", "")
				put(t, dir+"/file", "new")
			}},
		},
		{
			"replaced by rename, twice",
			func(t *testing.T, dir string) { put(t, dir+"/file", "old") },
			[]func(*testing.T, string){
				func(t *testing.T, dir string) { replace(t, dir+"/file", "new") },
				func(t *testing.T, dir string) { replace(t, dir+"/file", "newer") },
			},
		},
		{
			"moved away and written anew, as editors do",
			func(t *testing.T, dir string) { put(t, dir+"/file", "old") },
			[]func(*testing.T, string){func(t *testing.T, dir string) {
				rename(t, dir+"/file", dir+"/file~")
				put(t, dir+"/file", "new")
			}},
		},
		{
			"removed, and there again",
			func(t *testing.T, dir string) { put(t, dir+"/file", "old") },
			[]func(*testing.T, string){
				func(t *testing.T, dir string) { rename(t, dir+"/file", dir+"/gone") },
				func(t *testing.T, dir string) { rename(t, dir+"/gone", dir+"/file") },
			},
		},
		{
			"a ConfigMap's directory swapped, twice",
			func(t *testing.T, dir string) {
				mkdir(t, dir+"/..1")
				put(t, dir+"/..1/file", "old")
				link(t, "..1", dir+"/..data")
				link(t, "..data/file", dir+"/file")
			},
			[]func(*testing.T, string){
				func(t *testing.T, dir string) {
					mkdir(t, dir+"/..2")
					put(t, dir+"/..2/file", "new")
					link(t, "..2", dir+"/..data")
				},
				func(t *testing.T, dir string) {
					mkdir(t, dir+"/..3")
					put(t, dir+"/..3/file", "newer")
					link(t, "..3", dir+"/..data")
				},
			},
		},
		{
			"replaced behind a link, and then the link",
			func(t *testing.T, dir string) {
				mkdir(t, dir+"/run")
				mkdir(t, dir+"/other")
				put(t, dir+"/run/file", "old")
				put(t, dir+"/other/file", "other")
				link(t, dir+"/run/file", dir+"/file")
			},
			[]func(*testing.T, string){
				func(t *testing.T, dir string) { replace(t, dir+"/run/file", "new") },
				func(t *testing.T, dir string) { link(t, dir+"/other/file", dir+"/file") },
				func(t *testing.T, dir string) { replace(t, dir+"/other/file", "newer") },
			},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			tt.prepare(t, dir)
			f := newFollower(filepath.Join(dir, "file"))
			told := followed(t, f)
			<-told // what it says at the beginning
			for i, change := range tt.change {
				change(t, dir)
				select {
				case <-told:
				case <-time.After(look - time.Second):
					t.Fatalf("change %d was not told", i+1)
				}
			}
			if n := len(told); n != 0 {
				t.Errorf("got %d changes told more than there were", n)
			}
			if dirs := f.watcher.WatchList(); len(dirs) > 2 {
				t.Errorf("got %q watched, want the file's directory and the one that it leads to", dirs)
			}
		})
	}
}

// followed runs a follower until the test ends. Each change it tells comes out of the channel.
func followed(t *testing.T, f *follower) <-chan struct{} {
	t.Helper()
	told := make(chan struct{}, 100)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		f.run(ctx, time.Tick(look), func() { told <- struct{}{} })
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	return told
}

func TestChangeThatNobodyTellsOfIsFoundByLooking(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "file")
	put(t, path, "old")
	synctest.Test(t, func(t *testing.T) {
		f := &follower{files: []string{path}}
		f.told = f.read()
		began := time.Now()
		told := followed(t, f)
		time.Sleep(look / 2)
		put(t, path, "new")
		<-told
		if got, want := time.Since(began), look+settle; got != want {
			t.Errorf("told after %v, want %v", got, want)
		}
		time.Sleep(10 * look)
		if n := len(told); n != 0 {
			t.Errorf("told %d times more, want once", n)
		}
	})
}

func TestFileIsToldOnlyOnceItStaysTheSame(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "file")
	put(t, path, "old")
	synctest.Test(t, func(t *testing.T) {
		f := &follower{files: []string{path}}
		f.told = f.read()
		told := followed(t, f)
		var last time.Time
		time.Sleep(look - settle/2)
		for range 20 { // written slowly
			put(t, path, "half written "+time.Now().String())
			last = time.Now()
			time.Sleep(settle)
		}
		<-told
		if got := time.Since(last); got > 2*settle {
			t.Errorf("told %v after the last change, want at most %v", got, 2*settle)
		}
		if n := len(told); n != 0 {
			t.Errorf("told %d times more, want once", n)
		}
	})
}

func TestWhatComesBackUnchangedIsNotTold(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "file")
	put(t, path, "old")
	synctest.Test(t, func(t *testing.T) {
		f := &follower{files: []string{path}}
		f.told = f.read()
		told := followed(t, f)
		time.Sleep(look - settle/2)
		put(t, path, "") // for a moment, in which it is looked at
		time.Sleep(settle)
		put(t, path, "old")
		time.Sleep(10 * look)
		if n := len(told); n != 0 {
			t.Errorf("told %d times, want never", n)
		}
	})
}

// TestOnlyWhatMayChangeTheFilesIsAReasonToRead has a log beside the configuration, to which a line is added at any moment.
func TestOnlyWhatMayChangeTheFilesIsAReasonToRead(t *testing.T) {
	t.Parallel()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	put(t, dir+"/behind", "text")
	link(t, "behind", dir+"/file")
	f := newFollower(dir + "/./file")
	defer f.watcher.Close()
	f.watch()
	for _, tt := range []struct {
		name string
		op   fsnotify.Op
		want bool
	}{
		{"file", fsnotify.Write, true},
		{"file", fsnotify.Chmod, true},
		{"behind", fsnotify.Write, true},
		{"log", fsnotify.Write, false},
		{"log", fsnotify.Chmod, false},
		{"..data", fsnotify.Create, true},
		{"..data", fsnotify.Rename, true},
		{"log", fsnotify.Remove | fsnotify.Write, true},
	} {
		if got := f.concerns(fsnotify.Event{Name: filepath.Join(dir, tt.name), Op: tt.op}); got != tt.want {
			t.Errorf("%v of %s: got %t, want %t", tt.op, tt.name, got, tt.want)
		}
	}
}
