package main

import "time"

// leastSuspended is how much further the wall clock has to have gone to count: it is slewed by 1 ms in 2 s at most (adjtimex(2)).
const leastSuspended = 1 * time.Second

// suspends finds out that the machine was suspended. The clock that Go measures times by stands still meanwhile, on Linux and
// macOS; the wall clock does not. So a wall clock that somebody sets forward looks the same, and answers are taken for older than
// they are, which costs a question. One that is set back is none.
type suspends struct {
	wall  time.Time     // when was looked last, by the wall clock
	awake time.Duration // the same by the clock that stands still
}

// look returns for how long the machine was suspended since the last look, 0 if it was not, or for less than leastSuspended. wall
// has no monotonic reading; awake counts from any moment.
func (s *suspends) look(wall time.Time, awake time.Duration) time.Duration {
	d := wall.Sub(s.wall) - (awake - s.awake)
	s.wall, s.awake = wall, awake
	if d < leastSuspended {
		return 0
	}
	return d
}
