package config

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// fault is one thing wrong with a configuration, told in one line.
type fault struct {
	file   string // empty: not from a file
	line   int    // zero: not from a file
	key    string // as routes[1].zone; empty: the whole file
	value  string // quoted; empty: there is none to show
	remedy string // what to write instead
}

func (f fault) Error() string {
	var b strings.Builder
	if f.file != "" {
		fmt.Fprintf(&b, "%s: ", f.file)
	}
	if f.line > 0 {
		fmt.Fprintf(&b, "line %d: ", f.line)
	}
	if subject := strings.TrimSpace(f.key + " " + f.value); subject != "" {
		fmt.Fprintf(&b, "%s: ", subject)
	}
	return b.String() + f.remedy
}

func join(faults []fault) error {
	errs := make([]error, len(faults))
	for i, f := range faults {
		errs[i] = f
	}
	return errors.Join(errs...)
}

// OfFlag returns the first fault of a Check that is about what a flag gave, told as the flag's; nil: there is none. flags has
// the key of each such value, as in upstreams or watch[0], and how the flag is called.
func OfFlag(err error, flags map[string]string) error {
	all, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return nil
	}
	for _, err := range all.Unwrap() {
		f, ok := err.(fault)
		if !ok {
			continue
		}
		for key, flag := range flags {
			rest, found := strings.CutPrefix(f.key, key)
			if !found {
				continue
			}
			f.key = flag
			if of, found := strings.CutPrefix(rest, "."); found {
				f.key += ": " + of
			}
			return f
		}
	}
	return nil
}

// quote keeps a value on one line, and the line readable.
func quote(s string) string {
	const most = 64 // bytes; longer than any good value but a path
	if len(s) > most {
		s = s[:most] + "…"
	}
	return strconv.Quote(s)
}
