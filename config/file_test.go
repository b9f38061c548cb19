package config

import (
	"os"
	"path/filepath"
	"testing"
)

func TestFileThatIsTooLargeIsNotRead(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "notyet.yaml")
	for _, tt := range []struct {
		size int64
		want string
	}{
		{mostRead, ""},
		{mostRead + 1, "read " + path + ": name a smaller file: this one has more than 16 MiB"},
	} {
		f, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Truncate(tt.size); err != nil {
			t.Fatal(err)
		}
		f.Close()
		got := ""
		if _, err := ReadFile(path); err != nil {
			got = err.Error()
		}
		if got != tt.want {
			t.Errorf("%d bytes: got %q, want %q", tt.size, got, tt.want)
		}
	}
}
