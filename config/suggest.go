package config

import (
	"maps"
	"slices"
	"strings"
)

// suggest says what may have been meant by a key that is not in m: the nearest, or else which there are.
func (m mapping) suggest(word string) string {
	keys := slices.Sorted(maps.Keys(m))
	best := slices.MinFunc(keys, func(a, b string) int { return edits(word, a) - edits(word, b) })
	if Near(word, best) {
		return "did you mean " + best + "?"
	}
	return "there are " + strings.Join(keys, ", ")
}

// Near reports whether one word may be a slip of the other: a letter too many, or two swapped. Of words that are the same it
// says so too, and of long ones never.
func Near(word, other string) bool {
	const near = 2 // edits
	return edits(word, other) <= near
}

// edits is the Levenshtein distance of a and b in bytes.
func edits(a, b string) int {
	const most = 32 // bytes; no key is longer
	if len(a) > most {
		return len(a)
	}
	row := make([]int, len(b)+1) // row[j]: distance of the part of a read so far to b[:j]
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
