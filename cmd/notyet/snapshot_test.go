package main

import (
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"notyet/cache"
	"notyet/wire"
)

// kept is a snapshot's file, the cache behind it and what is told of them.
type kept struct {
	*snapshot
	told *output
}

func newKept(t *testing.T, path string) *kept {
	t.Helper()
	told := &output{lines: make(chan string, 100)}
	answers := cache.New(cache.Config{Memory: cache.MinMemory, MaxTTL: 24 * time.Hour}, time.Now())
	return &kept{newSnapshot(path, answers, slog.New(slog.NewTextHandler(told, nil))), told}
}

// key is that of a question for the A records of a name.
func (k *kept) key(t *testing.T, qname string) cache.Key {
	t.Helper()
	name, err := wire.Name(qname)
	if err != nil {
		t.Fatal(err)
	}
	return k.cache.Key(nil, name, dns.TypeA, false, false)
}

// put has the cache keep an address of the name for an hour.
func (k *kept) put(t *testing.T, qname string) {
	t.Helper()
	m := addressOf(new(dns.Msg).SetQuestion(qname, dns.TypeA))
	m.Answer[0].Header().Ttl = 3600
	b, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	var r wire.Reply
	key := k.key(t, qname)
	if err := wire.ParseReply(b, key.Name, key.Type, &r); err != nil {
		t.Fatal(err)
	}
	k.cache.Put(key, &r, time.Now())
}

func (k *kept) has(t *testing.T, qname string) bool {
	t.Helper()
	return k.cache.Get(new(cache.Entry), k.key(t, qname), time.Now())
}

// wantTold is wantTold of the snapshot's file.
func (k *kept) wantTold(t *testing.T, words ...string) {
	t.Helper()
	wantTold(t, k.told, k.path, words...)
}

// wantTold checks that what is told since the last call has lines with a file and with these words, and no others.
func wantTold(t *testing.T, told *output, path string, words ...string) {
	t.Helper()
	var lines []string
	for range len(told.lines) {
		lines = append(lines, <-told.lines)
	}
	ok := len(lines) == len(words)
	for i := range min(len(lines), len(words)) {
		ok = ok && strings.Contains(lines[i], words[i]) && strings.Contains(lines[i], "file="+path)
	}
	if !ok {
		t.Errorf("got log %q, want lines with the file and %q", lines, words)
	}
}

func (k *kept) wantErrors(t *testing.T, n float64) {
	t.Helper()
	if got := testutil.ToFloat64(k.errors); got != n {
		t.Errorf("got %v errors counted, want %v", got, n)
	}
}

// wantFiles checks what is in a directory.
func wantFiles(t *testing.T, dir string, names ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if !slices.Equal(got, names) {
		t.Errorf("got files %q, want %q", got, names)
	}
}

func TestSnapshotIsWrittenEveryFiveMinutesAndAtTheEnd(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "cache")
	synctest.Test(t, func(t *testing.T) {
		k := newKept(t, path)
		end := k.begin()
		restored := func(names ...string) {
			t.Helper()
			synctest.Wait()
			other := newKept(t, path)
			other.restore()
			for _, name := range []string{"a.example.", "b.example.", "c.example."} {
				if got, want := other.has(t, name), slices.Contains(names, name); got != want {
					t.Errorf("%s: got it restored %v, want %v", name, got, want)
				}
			}
		}
		k.put(t, "a.example.")
		time.Sleep(saveEvery - time.Nanosecond)
		restored()
		time.Sleep(time.Nanosecond)
		restored("a.example.")
		k.put(t, "b.example.")
		restored("a.example.")
		time.Sleep(saveEvery)
		restored("a.example.", "b.example.")
		k.put(t, "c.example.")
		end()
		restored("a.example.", "b.example.", "c.example.")
		if got, want := testutil.ToFloat64(k.saved), float64(time.Now().Unix()); got != want {
			t.Errorf("got it saved at %v, want %v", got, want)
		}
		k.wantTold(t)
		k.wantErrors(t, 0)
	})
	wantFiles(t, filepath.Dir(path), "cache")
	if info, err := os.Stat(path); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("got %v, %v, want a file that only its owner reads", info, err)
	}
}

func TestSnapshotThatCannotBeWrittenIsToldOnceAndTriedAgain(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "missing")
	synctest.Test(t, func(t *testing.T) {
		k := newKept(t, filepath.Join(dir, "cache"))
		end := k.begin()
		k.wantTold(t, `"snapshot not written"`)
		time.Sleep(saveEvery)
		synctest.Wait()
		k.wantTold(t) // it was told
		k.wantErrors(t, 2)
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		time.Sleep(saveEvery)
		synctest.Wait()
		k.wantTold(t, `"snapshot written"`)
		wantFiles(t, dir, "cache")
		end()
		k.wantTold(t)
		k.wantErrors(t, 2)
	})
}

func TestRemedyForASnapshotThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		err    error
		remedy string
	}{
		{&os.PathError{Op: "open", Path: file, Err: syscall.ENOENT}, "make the directory " + dir},
		{&os.PathError{Op: "open", Path: file, Err: syscall.EACCES}, "let the user that notyet runs as write to " + dir},
		{&os.PathError{Op: "open", Path: file, Err: syscall.EROFS}, "let the user that notyet runs as write to " + dir},
		{&os.PathError{Op: "open", Path: file, Err: syscall.ENOTDIR}, "name a file of notyet's own in cache.snapshot"},
		{&os.PathError{Op: "write", Path: file, Err: syscall.ENOSPC}, "make room in " + dir},
	} {
		k := newKept(t, file)
		k.tell(tt.err)
		if got := k.told.String(); !strings.Contains(got, tt.remedy) || !strings.Contains(got, tt.err.Error()) {
			t.Errorf("got %q, want %v and the remedy %q", got, tt.err, tt.remedy)
		}
	}
}

func TestFileThatIsNoSnapshotIsSetAside(t *testing.T) {
	t.Parallel()
	for name, content := range map[string]string{
		"empty":   "",
		"foreign": "127.0.0.1 localhost\n",
		"newer":   "notyet snapshot\n\x00\x00\x00\x02 and what there is then",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			k := newKept(t, filepath.Join(dir, "cache"))
			if err := os.WriteFile(k.path+".bad", []byte("the one before"), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(k.path, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			k.restore()
			k.wantTold(t, `"snapshot set aside" file=`+k.path+" as="+k.path+".bad")
			wantFiles(t, dir, "cache.bad")
			if got, err := os.ReadFile(k.path + ".bad"); string(got) != content || err != nil {
				t.Errorf("got %q, %v set aside, want %q", got, err, content)
			}
			k.wantErrors(t, 1)
			k.save()
			k.wantTold(t)
			wantFiles(t, dir, "cache", "cache.bad")
		})
	}
}

func TestWhatCannotBeReadStaysWhereItIs(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	k := newKept(t, filepath.Join(dir, "cache"))
	if err := os.MkdirAll(filepath.Join(k.path, "below"), 0o700); err != nil {
		t.Fatal(err)
	}
	k.restore()
	k.wantTold(t, `"snapshot not read"`)
	k.save()
	k.wantTold(t, `"snapshot not written"`)
	k.wantErrors(t, 2)
	wantFiles(t, dir, "cache")
}

// TestClockThatIsBehindIsNoReasonToSetAside has a snapshot from a time that is still to come.
func TestClockThatIsBehindIsNoReasonToSetAside(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "cache")
	newKept(t, path).save()
	synctest.Test(t, func(t *testing.T) { // where it is 2000
		k := newKept(t, path)
		k.restore()
		k.wantTold(t, "set the clock")
		k.wantErrors(t, 1)
	})
	wantFiles(t, dir, "cache")
}

func TestWhatAKilledProcessLeftBehindIsTakenAway(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	k := newKept(t, filepath.Join(dir, "cache"))
	old := time.Now().Add(-2 * saveEvery)
	for name, when := range map[string]time.Time{
		"cache.123.tmp": old, "cache.456.tmp": time.Now(), "cache.tmp": old, "caches.7.tmp": old, "cache.bad": old, "cache.8.old": old,
	} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, when, when); err != nil {
			t.Fatal(err)
		}
	}
	k.tidyUp()
	k.wantTold(t)
	wantFiles(t, dir, "cache.456.tmp", "cache.8.old", "cache.bad", "cache.tmp", "caches.7.tmp")
}

// TestRestartKeepsTheAnswers restarts the whole program.
func TestRestartKeepsTheAnswers(t *testing.T) {
	t.Parallel()
	u, asked := counted(t, addressOf)
	file := "upstreams: [" + `"` + u.addr + `"` + "]\ncache: {snapshot: " + filepath.Join(t.TempDir(), "cache") + "}"
	p := startWith(t, file)
	p.ask(t, "udp", "www.example.com.", dns.TypeA)
	p.ask(t, "udp", "www.example.com.", dns.TypeMX) // there is none
	if code := p.stopped(); code != 0 {
		t.Fatalf("got exit code %d, want 0: %s", code, p.stderr)
	}
	before := asked.Load()
	p = startWith(t, file)
	if m := p.ask(t, "udp", "www.example.com.", dns.TypeA); len(m.Answer) != 1 || m.Answer[0].Header().Ttl > 299 {
		t.Errorf("got %v, want the answer from before, aged", m)
	}
	if got := asked.Load() - before; got != 0 {
		t.Errorf("got %d questions asked upstream, want none: the answer was there", got)
	}
	p.ask(t, "udp", "www.example.com.", dns.TypeMX)
	if got := asked.Load() - before; got != 1 {
		t.Errorf("got %d questions asked upstream for what was denied before, want 1", got)
	}
	if _, body := p.get(t, "/metrics"); !strings.Contains(body, "\nnotyet_snapshot_errors_total 0\n") || !strings.Contains(body, "\nnotyet_snapshot_saved_timestamp_seconds 0\n") {
		t.Errorf("got no metrics of the snapshot in\n%s", body)
	}
	if p.line(t, "snapshot read")["entries"] != 1. {
		t.Errorf("got %s, want one entry read", p.stderr)
	}
}

// TestQueriesWaitASecondAtMostForASnapshot has one that takes a minute to be read.
func TestQueriesWaitASecondAtMostForASnapshot(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "cache")
	synctest.Test(t, func(t *testing.T) {
		newKept(t, path).save()
		k := newKept(t, path)
		k.log = slog.New(slog.NewTextHandler(slowly{}, nil))
		start := time.Now()
		end := k.begin()
		if got := time.Since(start); got != time.Second {
			t.Errorf("got to wait %v, want 1 s", got)
		}
		end()
		if got := time.Since(start); got != time.Minute {
			t.Errorf("got it ended after %v, want the snapshot read by then", got)
		}
	})
}

// slowly takes a minute for a line, which is written when the snapshot is read.
type slowly struct{}

func (slowly) Write(b []byte) (int, error) {
	time.Sleep(time.Minute)
	return len(b), nil
}
