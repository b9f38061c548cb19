package cache

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"notyet/wire"
)

// refs is what the index should say: which names each negative is found by.
func (w *world) refs() (refs map[ref]int) {
	refs = make(map[ref]int)
	for i := range w.shards {
		for _, key := range w.shards[i].negative.keys() {
			refs[ref{nameBits(key), key}]++
			if denied, ok := w.shards[i].negative.peek(key).denied(); ok {
				refs[ref{nameBits(denied), key}]++
			}
		}
	}
	return refs
}

// wantIndex checks that the index has what it should have and nothing else.
func (w *world) wantIndex() {
	w.Helper()
	want := w.refs()
	for i := range w.shards {
		for name, keys := range w.shards[i].byName {
			if len(keys) == 0 {
				w.Errorf("name %x has an empty list", name)
			}
			if name>>(64-18-shardBits) != uint64(i) {
				w.Errorf("name %x is in shard %d", name, i)
			}
			for _, key := range keys {
				want[ref{name, key}]--
			}
		}
	}
	for r, n := range want {
		if n != 0 {
			w.Errorf("index of name %x, key %x: %+d missing", r.denied, r.key, n)
		}
	}
}

// behindCNAME is an NXDOMAIN of target, for what is asked for by its alias.
func behindCNAME(alias, target string) answer {
	return answer{rcode: dns.RcodeNameError, answer: alias + " 300 CNAME " + target, authority: soa(300*s, 300*s)}
}

func TestPositiveTakesTheNXDOMAINOfItsNameAlong(t *testing.T) {
	t.Parallel()
	const aaaa = "www.example. 300 AAAA 2001:db8::1"
	chain := answer{answer: "www.example. 300 CNAME a.example.\na.example. 300 CNAME b.example.\nb.example. 300 AAAA 2001:db8::1"}
	for _, tt := range []struct {
		name     string
		question string // what was denied
		denied   answer
		positive string // what is then found
		answer   answer
		stays    bool
	}{
		{name: "another type", question: "www.example. A", denied: nxdomain(300 * s)},
		{name: "another type with DO", question: "www.example. A do", denied: nxdomain(300 * s)},
		{name: "another type with CD", question: "www.example. A cd", denied: nxdomain(300 * s)},
		{name: "the same type with DO and CD", question: "www.example. AAAA do cd", denied: nxdomain(300 * s)},
		{name: "in another spelling", question: "WWW.Example. A", denied: nxdomain(300 * s)},
		{name: "the positive has DO and CD", question: "www.example. A", denied: nxdomain(300 * s), positive: "www.example. AAAA do cd"},
		{
			name: "the positive is not kept", question: "www.example. A", denied: nxdomain(300 * s),
			answer: answer{answer: "www.example. 0 AAAA 2001:db8::1"},
		},
		{name: "nxdomain behind a cname to it", question: "alias.example. A", denied: behindCNAME("alias.example.", "www.example.")},
		{name: "nxdomain behind a cname to it, with DO", question: "alias.example. A do", denied: behindCNAME("alias.example.", "www.example.")},
		{
			name: "nxdomain behind two cnames", question: "alias.example. A",
			denied: behindCNAME("alias.example.", "b.example.\nb.example. 300 CNAME WWW.example."),
		},
		{name: "nxdomain of a name in its chain", question: "a.example. MX", denied: nxdomain(300 * s), answer: chain},
		{name: "nxdomain of the name that its chain leads to", question: "b.example. MX", denied: nxdomain(300 * s), answer: chain},
		{
			name: "nxdomain behind a cname to a name in its chain", question: "alias.example. MX",
			denied: behindCNAME("alias.example.", "b.example."), answer: chain,
		},

		{name: "nodata of another type", question: "www.example. A", denied: nodata(300 * s), stays: true},
		{
			name: "nodata behind a cname to it", question: "alias.example. A", stays: true,
			denied: answer{answer: "alias.example. 300 CNAME www.example.", authority: soa(300*s, 300*s)},
		},
		{name: "nodata of a name in its chain", question: "b.example. MX", denied: nodata(300 * s), answer: chain, stays: true},
		{name: "nxdomain of another name", question: "web.example. A", denied: nxdomain(300 * s), stays: true},
		{name: "nxdomain of its parent", question: "example. A", denied: nxdomain(300 * s), stays: true},
		{name: "nxdomain below it", question: "a.www.example. A", denied: nxdomain(300 * s), stays: true},
		{
			name: "nxdomain behind a cname in the middle of a chain", question: "alias.example. A", stays: true,
			denied: behindCNAME("alias.example.", "www.example.\nwww.example. 300 CNAME gone.example."),
		},
		{
			name: "a cname to it says nothing of it", question: "www.example. A", denied: nxdomain(300 * s), stays: true,
			positive: "alias.example. CNAME", answer: answer{answer: "alias.example. 300 CNAME www.example."},
		},
		{
			name: "nodata says nothing of another type's nxdomain", question: "www.example. A", denied: nxdomain(300 * s), stays: true,
			answer: nodata(300 * s),
		},
	} {
		w := newWorld(t)
		if tt.positive == "" {
			tt.positive = "www.example. AAAA"
		}
		if tt.answer == (answer{}) {
			tt.answer = answer{answer: aaaa}
		}
		w.put(0, tt.question, tt.denied)
		if w.get(1, tt.question) == nil {
			t.Fatalf("%s: it is not denied in the first place", tt.name)
		}
		w.put(1, tt.positive, tt.answer)
		if got := w.get(1, tt.question) != nil; got != tt.stays {
			t.Errorf("%s: %s denied, then %s found: the denial stays %v, want %v", tt.name, tt.question, tt.positive, got, tt.stays)
		}
		w.wantIndex()
	}
}

func TestPositiveLeavesFailuresOfOtherTypes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.fail(0, "www.example. A")
	w.put(1, "www.example. AAAA", answer{answer: "www.example. 300 AAAA 2001:db8::1"})
	if w.get(1, "www.example. A") == nil {
		t.Error("the failure is gone")
	}
}

func TestDropNegatives(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	goes := []string{"www.example. A", "www.example. AAAA", "www.example. A do", "www.example. A cd", "www.example. MX", "www.example. TXT", "a.example. A", "b.example. A"}
	stays := []string{"web.example. A", "c.example. A", "www.example. NS", "a.www.example. A", "example. A"}

	w.put(0, "www.example. A", nxdomain(300*s))
	w.put(0, "www.example. AAAA", nodata(300*s))
	w.put(0, "www.example. A do", nxdomain(300*s))
	w.put(0, "www.example. A cd", nxdomain(300*s))
	w.fail(0, "www.example. MX")
	w.put(0, "www.example. TXT", behindCNAME("www.example.", "gone.example."))
	w.put(0, "a.example. A", behindCNAME("a.example.", "www.example."))
	w.put(0, "b.example. A", answer{answer: "b.example. 300 CNAME www.example.", authority: soa(300*s, 300*s)})

	w.put(0, "web.example. A", nxdomain(300*s))
	w.put(0, "c.example. A", behindCNAME("c.example.", "www.example.\nwww.example. 300 CNAME gone.example."))
	w.put(0, "a.www.example. A", nxdomain(300*s))
	w.put(0, "example. A", nodata(300*s))
	// Last, as it takes the NXDOMAINs along.
	w.put(0, "www.example. NS", answer{answer: "www.example. 300 NS ns.example."})
	for _, question := range []string{"www.example. A", "www.example. A do", "www.example. A cd", "a.example. A"} {
		if w.get(0, question) != nil {
			t.Errorf("%s: it is still denied", question)
		}
	}
	w.put(0, "www.example. A", nxdomain(300*s))
	w.put(0, "www.example. A do", nxdomain(300*s))
	w.put(0, "www.example. A cd", nxdomain(300*s))
	w.put(0, "www.example. TXT", behindCNAME("www.example.", "gone.example."))
	w.put(0, "a.example. A", behindCNAME("a.example.", "www.example."))

	for _, question := range slices.Concat(goes, stays) {
		if w.get(0, question) == nil {
			t.Fatalf("%s: it is not there in the first place", question)
		}
	}
	if n := w.DropNegatives(w.key("WWW.example. A").Name); n != len(goes) {
		t.Errorf("got %d, want %d", n, len(goes))
	}
	for _, question := range goes {
		if w.get(0, question) != nil {
			t.Errorf("%s: it is still there", question)
		}
	}
	for _, question := range stays {
		if w.get(0, question) == nil {
			t.Errorf("%s: it went too", question)
		}
	}
	w.wantIndex()
	if n := w.DropNegatives(w.key("www.example. A").Name); n != 0 {
		t.Errorf("the second time: got %d, want 0", n)
	}
}

func TestDropNXDOMAIN(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	goes := []string{"www.example. A", "www.example. MX", "www.example. A do", "a.example. A"}
	stays := []string{"www.example. AAAA", "www.example. TXT", "web.example. A", "a.www.example. A", "example. A", "b.example. A"}
	for _, question := range []string{"www.example. A", "www.example. MX", "www.example. A do", "web.example. A", "a.www.example. A", "example. A"} {
		w.put(0, question, nxdomain(300*s))
	}
	w.put(0, "a.example. A", behindCNAME("a.example.", "www.example."))
	w.put(0, "www.example. AAAA", nodata(300*s))
	w.fail(0, "www.example. TXT")
	w.put(0, "b.example. A", answer{answer: "b.example. 300 CNAME www.example.", authority: soa(300*s, 300*s)})

	if n := w.DropNXDOMAIN(w.key("www.example. A").Name); n != len(goes) {
		t.Errorf("got %d, want %d", n, len(goes))
	}
	for _, question := range goes {
		if w.get(0, question) != nil {
			t.Errorf("%s: it is still there", question)
		}
	}
	for _, question := range stays {
		if w.get(0, question) == nil {
			t.Errorf("%s: it went too", question)
		}
	}
	w.wantIndex()
	if n := w.DropNXDOMAIN(w.key("www.example. A").Name); n != 0 {
		t.Errorf("the second time: got %d, want 0", n)
	}
}

func TestExpiredNegativesAreDroppedToo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.put(0, "www.example. A", nxdomain(300*s))
	if n := w.DropNegatives(w.key("www.example. A").Name); n != 1 {
		t.Errorf("got %d, want 1", n)
	}
	if e := w.put(30*s, "www.example. A", nxdomain(300*s)); e.Lifetime() != 1*s {
		t.Errorf("got lifetime %v, want the ramp to begin again", e.Lifetime())
	}
}

func TestIndexForgetsWhatIsGone(t *testing.T) {
	t.Parallel()
	const question = "www.example. A"
	dangling := behindCNAME("www.example.", "gone.example.")
	for name, end := range map[string]func(w *world){
		"replaced by a positive":              func(w *world) { w.put(1, question, a("www.example.", 300*s)) },
		"replaced by a positive that is none": func(w *world) { w.put(1, question, a("www.example.", 0)) },
		"the target appears":                  func(w *world) { w.put(1, "gone.example. A", a("gone.example.", 300*s)) },
		"dropped":                             func(w *world) { w.DropNegatives(w.key(question).Name) },
		"dropped by its target":               func(w *world) { w.DropNegatives(w.key("gone.example. A").Name) },
		"dropped with its zone":               func(w *world) { w.DropNegativesBelow(w.key("example. A").Name) },
		"dropped with its target's zone":      func(w *world) { w.DropNegativesBelow(w.key("gone.example. A").Name) },
		"not kept under watch":                func(w *world) { w.watch(1, question, dangling, Watched{}) },
		"replaced by a negative that is not kept": func(w *world) {
			w.put(1, question, answer{rcode: dns.RcodeNameError, answer: "www.example. 300 CNAME other.example.", authority: soa(0, 0)})
		},
		"replaced, then dropped": func(w *world) {
			for _, target := range []string{"gone.example.", "other.example.", "www.example.", "gone.example."} {
				w.put(1, question, behindCNAME("www.example.", target))
				w.wantIndex()
			}
			w.put(2, question, nodata(300*s))
			w.wantIndex()
			w.fail(2*s, question)
			w.wantIndex()
			w.fail(4*s, question)
			w.wantIndex()
			w.DropNegatives(w.key(question).Name)
		},
	} {
		w := newWorld(t)
		w.put(0, question, dangling)
		w.wantIndex()
		if len(w.refs()) != 2 {
			t.Fatalf("got %d references, want one by the alias and one by the target", len(w.refs()))
		}
		end(w)
		w.wantIndex()
		for i := range w.shards {
			if n := len(w.shards[i].byName); n > 0 {
				t.Errorf("%s: %d names are left in the index of shard %d", name, n, i)
			}
		}
	}
}

func TestIndexForgetsWhatIsEvicted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	plain := w.raw("h00000000.example. A", nxdomain(300*s))
	dangling := w.raw("c00000000.example. A", behindCNAME("c00000000.example.", "g00000000.example."))
	for n := range 5000 {
		plain.put(0, n)
		dangling.put(0, n)
	}
	if w.totals().negative.evictions == 0 {
		t.Fatal("nothing was evicted")
	}
	w.wantIndex()
}

// TestManyNegativesOfOneName is a wildcard CNAME to a name that doesn't exist, and every type of a name.
func TestManyNegativesOfOneName(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"gone.example.", "www.example."} {
		w := newWorld(t, func(c *Config) { c.Memory = 64 << 20 })
		put := func(n int) Key {
			k, _ := w.raw("h00000000.example. A", behindCNAME("h00000000.example.", name)).put(0, n)
			return k
		}
		if name == "www.example." {
			reply := w.reply("www.example. A", nodata(300*s))
			q := w.query("www.example. A")
			put = func(n int) Key {
				k := w.Key(nil, q.Name, uint16(n+1), false, false)
				binary.BigEndian.PutUint16(reply.Message[wire.HeaderLen+len(k.Name):], k.Type)
				w.Put(k, reply, at(0))
				return k
			}
		}
		first := put(0)
		second := put(1)
		for n := 2; n < mostByName; n++ {
			put(n)
		}
		put(1) // again, which needs no place
		if w.Peek(first, at(0)) == nil || w.Peek(second, at(0)) == nil {
			t.Fatalf("%s: one of %d is gone", name, mostByName)
		}
		for n := range mostByName {
			put(mostByName + n)
			k := w.Key(nil, w.key(name+" A").Name, uint16(5000+n), false, false)
			w.PutFailure(k, Failure(k, nil), at(0))
		}
		if got := w.totals().negative.entries; got > mostByName {
			t.Errorf("%s: got %d negatives of one name, want at most %d", name, got, mostByName)
		}
		w.wantIndex()
		if n := w.DropNegatives(w.key(name + " A").Name); n != mostByName {
			t.Errorf("%s: dropped %d, want %d", name, n, mostByName)
		}
		w.wantIndex()
	}
}

// TestIndexUnderConcurrentUse does everything at once and then compares the index with what is there.
func TestIndexUnderConcurrentUse(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var names []string
	for i := range 40 {
		names = append(names, fmt.Sprintf("n%d.example.", i))
	}
	type known struct {
		question string
		answer   answer
	}
	var all []known
	for i, name := range names {
		next, far := names[(i+1)%len(names)], names[(i+7)%len(names)]
		for _, flags := range []string{"", " do", " cd"} {
			question := name + " A" + flags
			all = append(all,
				known{question, a(name, 300*s)},
				known{question, answer{answer: name + " 300 CNAME " + next + "\n" + next + " 300 A 192.0.2.1"}},
				known{question, nxdomain(300 * s)},
				known{question, nodata(300 * s)},
				known{question, nxdomain(0)},
				known{question, behindCNAME(name, next)},
				known{question, behindCNAME(name, far)},
				known{question, answer{answer: name + " 300 CNAME " + far, authority: soa(300*s, 300*s)}},
			)
		}
	}
	const workers = 4
	var wg sync.WaitGroup
	for i := range workers {
		dangling := w.raw("d00000000.example. A", behindCNAME("d00000000.example.", "n3.example."))
		flood := w.raw("f00000000.example. A", behindCNAME("f00000000.example.", "g00000000.example.")) // makes for evictions
		keys := make([]Key, len(all))
		replies := make([]func(now time.Time), len(all))
		for j, k := range all {
			key, reply := w.key(k.question), w.reply(k.question, k.answer)
			keys[j] = key
			replies[j] = func(now time.Time) { w.Put(key, reply, now) }
		}
		random := rand.New(rand.NewPCG(1, uint64(i)))
		wg.Go(func() {
			var b []byte
			for n := range 4000 {
				j, now := random.IntN(len(all)), at(time.Duration(n)*10*ms)
				switch random.IntN(10) {
				case 0:
					if n%64 == 0 {
						w.DropNegativesBelow(keys[j].Name)
					}
					w.DropNegatives(keys[j].Name)
				case 1:
					w.PutFailure(keys[j], Failure(keys[j], nil), now)
				case 2:
					dangling.put(time.Duration(n)*10*ms, n*workers+i)
				case 3, 4, 5:
					flood.put(time.Duration(n)*10*ms, n*workers+i)
				case 6, 7:
					if e := w.got(keys[j], now); e != nil && !e.matches(keys[j]) {
						t.Errorf("%s: got the answer to another question", all[j].question)
					} else if e != nil {
						b = append(b[:0], e.message()...)
					}
				default:
					replies[j](now)
				}
			}
		})
	}
	wg.Wait()
	w.wantIndex()
	if w.totals().negative.evictions == 0 || len(w.refs()) == 0 {
		t.Fatalf("got %+v, want evictions and something left", w.totals())
	}

	for _, name := range names {
		w.put(0, name+" A", a(name, 300*s))
		w.DropNegatives(w.key(name + " A").Name)
	}
	for n := range 4000 * workers {
		w.DropNegatives(w.key(fmt.Sprintf("f%08d.example. A", n)).Name)
	}
	for i := range w.shards {
		if n := len(w.shards[i].byName); n > 0 {
			t.Errorf("%d names are left in the index of shard %d", n, i)
		}
	}
}
