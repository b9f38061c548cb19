package main

import "testing"

func TestSizesAreReadable(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		bytes int64
		want  string
	}{{0, "0 B"}, {1023, "1023 B"}, {1024, "1 KiB"}, {1 << 20 * 13 / 4, "3.2 MiB"}, {64 << 20, "64 MiB"}, {1 << 40, "1024 GiB"}} {
		if got := readableSize(tt.bytes); got != tt.want {
			t.Errorf("%d: got %s, want %s", tt.bytes, got, tt.want)
		}
	}
}

func TestTablesHaveNoSpaceAtTheEnd(t *testing.T) {
	t.Parallel()
	got := table([][]string{{"A", "LONGER"}, {"one\ttwo", "x"}, {"", ""}})
	if want := "A        LONGER\none two  x\n\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
