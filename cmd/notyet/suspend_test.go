package main

import (
	"testing"
	"time"
)

func TestSuspendIsFoundByTheClocks(t *testing.T) {
	t.Parallel()
	type look struct{ wall, awake, want time.Duration } // both since the look before
	for _, tt := range []struct {
		name  string
		looks []look
	}{
		{"awake", []look{{5 * time.Second, 5 * time.Second, 0}, {time.Hour, time.Hour, 0}}},
		{"slewed", []look{{5002 * time.Millisecond, 5 * time.Second, 0}, {4998 * time.Millisecond, 5 * time.Second, 0}}},
		{"just under a second", []look{{6*time.Second - 1, 5 * time.Second, 0}, {6*time.Second - 1, 5 * time.Second, 0}}},
		{"suspended for a second", []look{{6 * time.Second, 5 * time.Second, time.Second}}},
		{"suspended for a night, and told once", []look{
			{8*time.Hour + 3*time.Second, 3 * time.Second, 8 * time.Hour}, {5 * time.Second, 5 * time.Second, 0},
		}},
		{"suspended twice", []look{{time.Hour, 0, time.Hour}, {time.Minute, 5 * time.Second, 55 * time.Second}}},
		{"set back, and suspended later", []look{
			{-time.Hour, 5 * time.Second, 0}, {5 * time.Second, 5 * time.Second, 0}, {65 * time.Second, 5 * time.Second, time.Minute},
		}},
	} {
		wall, awake := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), time.Minute
		s := suspends{wall: wall, awake: awake}
		for i, l := range tt.looks {
			wall, awake = wall.Add(l.wall), awake+l.awake
			if got := s.look(wall, awake); got != l.want {
				t.Errorf("%s: look %d: got %v, want %v", tt.name, i, got, l.want)
			}
		}
	}
}
