package wire

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

func TestNamesGoToWireAndBack(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ in, wire, out string }{
		{".", "\x00", "."},
		{"example", "\x07example\x00", "example."},
		{"example.com.", "\x07example\x03com\x00", "example.com."},
		{"WWW.Example.COM", "\x03www\x07example\x03com\x00", "www.example.com."},
		{"_dmarc.example.", "\x06_dmarc\x07example\x00", "_dmarc.example."},
		{"*.example.", "\x01*\x07example\x00", "*.example."},
		{`a\.b.example.`, "\x03a.b\x07example\x00", `a\.b.example.`},
		{`\000\255.example.`, "\x02\x00\xff\x07example\x00", `\000\255.example.`},
		{`\065\Z.example.`, "\x02az\x07example\x00", "az.example."},
		{"\xff\xc4.example.", "\x02\xff\xc4\x07example\x00", `\255\196.example.`},
		{strings.Repeat("a", 63) + ".", "\x3f" + strings.Repeat("a", 63) + "\x00", strings.Repeat("a", 63) + "."},
	} {
		got, err := Name(tt.in)
		if err != nil || string(got) != tt.wire {
			t.Errorf("Name(%q): got %q, %v, want %q", tt.in, got, err, tt.wire)
		}
		if s := String([]byte(tt.wire)); s != tt.out {
			t.Errorf("String(%q): got %s, want %s", tt.wire, s, tt.out)
		}
	}
}

func TestLongestName(t *testing.T) {
	t.Parallel()
	for _, n := range []int{MaxName - 1, MaxName, MaxName + 1, MaxName + 2} {
		var in strings.Builder
		for name := longName(n); len(name) > 1; name = Parent(name) {
			in.Write(name[1:][:name[0]])
			in.WriteByte('.')
		}
		got, err := Name(in.String())
		if fits := n <= MaxName; (err == nil) != fits || fits && !bytes.Equal(got, longName(n)) {
			t.Errorf("a name of %d bytes: got %d bytes, %v", n, len(got), err)
		}
	}
}

func TestWhatIsNoName(t *testing.T) {
	t.Parallel()
	for _, in := range []string{
		"a..example.",
		".example.",
		"..",
		strings.Repeat("a", 64) + ".example.",
	} {
		if got, err := Name(in); err == nil {
			t.Errorf("Name(%q): got %q, want an error", in, got)
		}
	}
	for _, in := range []string{"", "\x03ab", "\x40" + strings.Repeat("a", 64) + "\x00", string(longName(MaxName + 1))} {
		if got := String([]byte(in)); got != "?" {
			t.Errorf("String(%q): got %s, want ?", in, got)
		}
	}
}

func TestLowerCaseIsForASCIILettersOnly(t *testing.T) {
	t.Parallel()
	const in = "\x0a@AZ[`az{\xc1\xda\x00"
	const want = "before" + "\x0a@az[`az{\xc1\xda\x00"
	if got := AppendLower([]byte("before"), []byte(in)); string(got) != want {
		t.Errorf("AppendLower(%q): got %q, want %q", in, got, want)
	}
}

func TestEqualFold(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		a, b string
		want bool
	}{
		{"\x03www\x00", "\x03www\x00", true},
		{"\x03wWw\x00", "\x03WwW\x00", true},
		{"\x03www\x00", "\x03wwx\x00", false},
		{"\x03www\x00", "\x03www\x01a\x00", false},
		{"\x01@\x00", "\x01`\x00", false},
		{"\x01[\x00", "\x01{\x00", false},
		{"\x01\xc1\x00", "\x01\xe1\x00", false},
		{"\x01\x00\x00", "\x01\x20\x00", false},
		{"\x01" + strings.Repeat("a", 33) + "\x00", "\x21" + strings.Repeat("a", 33) + "\x00", false},
	} {
		if got := EqualFold([]byte(tt.a), []byte(tt.b)); got != tt.want {
			t.Errorf("EqualFold(%q, %q): got %v, want %v", tt.a, tt.b, got, tt.want)
		}
		if got := EqualFold([]byte(tt.b), []byte(tt.a)); got != tt.want {
			t.Errorf("EqualFold(%q, %q): got %v, want %v", tt.b, tt.a, got, tt.want)
		}
	}
}

func TestParents(t *testing.T) {
	t.Parallel()
	var got []string
	for n := wireName(t, "a.b.example."); n != nil; n = Parent(n) {
		got = append(got, String(n))
	}
	if want := []string{"a.b.example.", "b.example.", "example.", "."}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestIsSubdomain(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, zone string
		want       bool
	}{
		{"example.", "example.", true},
		{"www.example.", "example.", true},
		{"a.b.c.example.", "example.", true},
		{"www.example.", ".", true},
		{".", ".", true},
		{".", "example.", false},
		{"example.", "www.example.", false},
		{"anexample.", "example.", false},
		{`an\.example.`, "example.", false},
		{"www.example.", "example.com.", false},
	} {
		if got := IsSubdomain(wireName(t, tt.name), wireName(t, tt.zone)); got != tt.want {
			t.Errorf("%s below %s: got %v, want %v", tt.name, tt.zone, got, tt.want)
		}
	}
}

// TestCompressedNames reads the name behind other bytes of a message, where a pointer may only lead backwards.
func TestCompressedNames(t *testing.T) {
	t.Parallel()
	at := func(off int) string { // a pointer to off bytes behind the header
		off += HeaderLen
		return string([]byte{0xC0 | byte(off>>8), byte(off)})
	}
	chain := func(pointers int) string { // of pointers, each to the one before
		s := "\x01a\x00" + at(0)
		for i := 1; i < pointers; i++ {
			s += at(1 + 2*i)
		}
		return s
	}
	to256 := strings.Repeat("\x00", 256-HeaderLen)
	label := "\x3f" + strings.Repeat("a", 63)
	long := string(longName(100))
	for _, tt := range []struct {
		name   string
		before string
		in     string
		want   string // "": it is malformed
	}{
		{"plain", "", "\x03WWW\x00", "\x03www\x00"},
		{"root", "", "\x00", "\x00"},
		{"pointer", "\x03COM\x00", at(0), "\x03com\x00"},
		{"pointer to the root", "\x03COM\x00", at(4), "\x00"},
		{"label and pointer", "\x03com\x00", "\x01a" + at(0), "\x01a\x03com\x00"},
		{"pointer to a pointer", "\x03com\x00\x01b" + at(0), "\x01a" + at(5), "\x01a\x01b\x03com\x00"},
		{"pointer to itself", "\x03com\x00", at(5), ""},
		{"pointer to its own label", "\x03com\x00", "\x01a" + at(5), ""},
		{"pointer forwards", "\x03com\x00", at(7) + "\x00", ""},
		{"pointer past the end", "\x03com\x00", at(0x3FFF - HeaderLen), ""},
		{"pointer into the header", "\x03com\x00", at(-1), ""},
		{"pointer to the beginning", "\x03com\x00", at(-HeaderLen), ""},
		{"pointer to a pointer forwards", "\x01a" + at(4), "\x01b" + at(0), ""},
		{"pointer to a pointer back here", at(2), at(0), ""},
		{"pointer to a label that runs into the pointer", to256 + "\x02a", "\xc1\x00", ""},
		{"pointer to a pointer that runs into the pointer", to256 + "\xc0", "\xc1\x00", ""},
		{"pointer to a label that ends where the pointer begins", "\x01a", at(0) + "\x00", ""},
		{"pointer to half a pointer", "\xc0", at(0), ""},
		{"pointer to garbage", "\x45", at(0), ""},
		{"half a pointer", "\x03com\x00", "\xc0", ""},
		{"127 pointers", chain(126), at(1 + 2*126), "\x01a\x00"},
		{"128 pointers", chain(127), at(1 + 2*127), ""},
		{"label of 63", "", label + "\x00", label + "\x00"},
		{"label of 64", "", "\x40" + strings.Repeat("a", 64) + "\x00", ""},
		{"label type 10", "", "\x80\x00", ""},
		{"label past the end", "", "\x05ab\x00", ""},
		{"no end", "", "\x02ab", ""},
		{"nothing", "", "", ""},
		{"255 bytes", "", string(longName(MaxName)), string(longName(MaxName))},
		{"256 bytes", "", string(longName(MaxName + 1)), ""},
		{"over 255 bytes of labels, then a pointer", "\x00", strings.Repeat(label, 4) + at(0), ""},
		{"255 bytes with a pointer", long, string(longName(MaxName - 99)[:MaxName-100]) + at(0), string(longName(MaxName - 99)[:MaxName-100]) + long},
		{"256 bytes with a pointer", long, string(longName(MaxName - 98)[:MaxName-99]) + at(0), ""},
	} {
		start := HeaderLen + len(tt.before)
		msg := []byte(strings.Repeat("\x00", HeaderLen) + tt.before + tt.in)
		want := len(msg)
		if tt.want == "" {
			want = -1
		}
		if got := skipName(msg, start); got != want {
			t.Errorf("%s: end of %q after %q: got %d, want %d", tt.name, tt.in, tt.before, got, want)
			continue
		}
		if tt.want == "" {
			continue
		}
		if got := skipName(append(msg, 0), start); got != want {
			t.Errorf("%s: end of %q with a byte behind it: got %d, want %d", tt.name, tt.in, got, want)
		}
		if got := appendName([]byte("before"), msg, start); string(got) != "before"+tt.want {
			t.Errorf("%s: %q after %q: got %q, want %q", tt.name, tt.in, tt.before, got, "before"+tt.want)
		}
	}
}
