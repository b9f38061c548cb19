package cache

import (
	"strings"
	"testing"

	"github.com/miekg/dns"
)

func TestKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	buf := make([]byte, 0, 255)
	k := w.Key(buf, []byte("\x03wWw\x07eXample\x00"), dns.TypeHTTPS, true, false)
	if string(k.Name) != "\x03www\x07example\x00" || k.Type != dns.TypeHTTPS || !k.DO || k.CD {
		t.Errorf("got %+v", k)
	}
	if &k.Name[0] != &buf[:1][0] {
		t.Error("the name is not in the buffer")
	}
}

func TestEqualKeys(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	questions := []string{
		"www.example. A", "www.example. A do", "www.example. A cd", "www.example. A do cd", "www.example. NS",
		"www.example. AAAA", "web.example. A", "example. A", ". A", "www.example. URI", "www.example. CAA",
	}
	hashes := make(map[uint64]string)
	for i, a := range questions {
		for j, b := range questions {
			if got, want := w.key(a).Equal(w.key(b)), i == j; got != want {
				t.Errorf("%s and %s: got equal %v, want %v", a, b, got, want)
			}
		}
		if other, ok := hashes[w.key(a).Hash()]; ok {
			t.Errorf("%s and %s have the same hash", a, other)
		}
		hashes[w.key(a).Hash()] = a
	}
	if !w.key("www.example. A").Equal(w.key("WWW.eXample. A rd ad edns")) {
		t.Error("the spelling or other flags make a difference")
	}
	// Everything that is kept of a name is in one place.
	name := w.key("www.example. A").Name
	for qtype := range 1 << 16 {
		k := w.Key(nil, name, uint16(qtype), qtype&1 != 0, qtype&2 != 0)
		if w.shard(k.hash) != w.shard(w.nameHash(name)) || nameBits(k.hash) != nameBits(w.nameHash(name)) {
			t.Fatalf("type %d: its hash %x doesn't begin as the name's, %x", qtype, k.hash, w.nameHash(name))
		}
	}
}

func TestHashIsSeeded(t *testing.T) {
	t.Parallel()
	if a, b := newWorld(t), newWorld(t); a.key("www.example. A").Hash() == b.key("www.example. A").Hash() {
		t.Error("two caches have the same hash")
	}
}

// TestCollidingHashes has two questions with one hash.
func TestCollidingHashes(t *testing.T) {
	t.Parallel()
	const one = "www.example. A"
	for _, two := range []string{"web.example. A", "a.www.example. A", "www.example. TXT", "www.example. A do", "www.example. A cd"} {
		w := newWorld(t)
		first, second := w.key(one), w.key(two)
		second.hash = first.hash
		if first.Equal(second) {
			t.Errorf("the keys of %s and %s are equal", one, two)
		}
		for _, kindOne := range []string{"positive", "nxdomain", "failure"} {
			for _, kindTwo := range []string{"positive", "nxdomain", "failure"} {
				if e := w.putKey(first, one, kindOne); !same(w.got(first, at(0)), e) || w.got(second, at(0)) != nil || w.Peek(second, at(0)) != nil {
					t.Errorf("%s of %s: got %v for it, %v for %s", kindOne, one, w.got(first, at(0)), w.got(second, at(0)), two)
				}
				e := w.putKey(second, two, kindTwo)
				if got := w.got(first, at(0)); same(got, e) {
					t.Errorf("%s of %s, then %s of %s: got the second for the first", kindOne, one, kindTwo, two)
				}
				// A failure doesn't displace a positive, whosever it is.
				if got := w.got(second, at(0)); !same(got, e) {
					t.Errorf("%s of %s, then %s of %s: got %v for the second, want %v", kindOne, one, kindTwo, two, got, e)
				}
				w.wantIndex()
				w.Put(first, w.reply(one, a("www.example.", 0)), at(0)) // takes out whatever is there
			}
		}
	}
}

// putKey gives the cache an answer of a kind, under a key that may not be the question's.
func (w *world) putKey(k Key, question, kind string) *Entry {
	w.Helper()
	switch kind {
	case "positive":
		f := strings.Fields(question)
		return w.Put(k, w.reply(question, answer{answer: f[0] + " 300 " + f[1] + " 192.0.2.1"}), at(0))
	case "nxdomain":
		return w.Put(k, w.reply(question, nxdomain(300*s)), at(0))
	}
	return w.PutFailure(k, Failure(k, nil), at(0))
}

// TestCollisionDoesNotCarryTheRampOver has two names that are missing, one for longer.
func TestCollisionDoesNotCarryTheRampOver(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	www, web := w.key("www.example. A"), w.key("web.example. A")
	web.hash = www.hash
	w.Put(www, w.reply("www.example. A", nxdomain(300*s)), at(0))
	w.Put(www, w.reply("www.example. A", nxdomain(300*s)), at(30*s))
	if e := w.Put(web, w.reply("web.example. A", nxdomain(300*s)), at(31*s)); e.Lifetime() != 1*s {
		t.Errorf("got lifetime %v, want 1s", e.Lifetime())
	}
	w.PutFailure(web, Failure(web, nil), at(33*s))
	w.PutFailure(web, Failure(web, nil), at(35*s))
	if e := w.PutFailure(www, Failure(www, nil), at(38*s)); e.Lifetime() != 1*s {
		t.Errorf("failure: got lifetime %v, want 1s", e.Lifetime())
	}
}
