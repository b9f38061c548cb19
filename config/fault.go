package config

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Fault is one thing wrong with a configuration, told in one line.
type Fault struct {
	File   string // empty: not from a file
	Line   int    // zero: not from a file
	Key    string // as routes[1].zone; empty: the whole file
	Value  string // quoted; empty: there is none to show
	Remedy string // what to write instead
}

func (f Fault) Error() string {
	var b strings.Builder
	if f.File != "" {
		fmt.Fprintf(&b, "%s: ", f.File)
	}
	if f.Line > 0 {
		fmt.Fprintf(&b, "line %d: ", f.Line)
	}
	if subject := strings.TrimSpace(f.Key + " " + f.Value); subject != "" {
		fmt.Fprintf(&b, "%s: ", subject)
	}
	return b.String() + f.Remedy
}

func join(faults []Fault) error {
	errs := make([]error, len(faults))
	for i, f := range faults {
		errs[i] = f
	}
	return errors.Join(errs...)
}

// Faults takes an error of this package apart, or several that errors.Join has put together. What is no Fault becomes one
// without a key.
func Faults(err error) (all []Fault) {
	switch err := err.(type) {
	case nil:
	case Fault:
		all = []Fault{err}
	case interface{ Unwrap() []error }:
		for _, one := range err.Unwrap() {
			all = append(all, Faults(one)...)
		}
	default:
		all = []Fault{{Remedy: err.Error()}}
	}
	return all
}

// ByFlags returns the error of a Check with each fault of what a flag gave told as the flag's. flags has the key of each such
// value, as in upstreams or watch[0], and how the flag is called.
func ByFlags(err error, flags map[string]string) error {
	faults := Faults(err)
	for i, f := range faults {
		for key, flag := range flags {
			rest, found := strings.CutPrefix(f.Key, key)
			if !found || rest != "" && !strings.ContainsRune("[.", rune(rest[0])) { // another key, such as admin_token_file
				continue
			}
			faults[i].Key = flag
			if of, found := strings.CutPrefix(rest, "."); found {
				faults[i].Key += ": " + of
			}
		}
	}
	return join(faults)
}

// quote keeps a value on one line, and the line readable.
func quote(s string) string {
	const most = 64 // bytes; longer than any good value but a path
	if len(s) > most {
		s = s[:most] + "…"
	}
	return strconv.Quote(s)
}
