package admin

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestTokenIsWhatItsFileHas(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "token")
	for _, tt := range []struct{ text, token, fault string }{
		{"0123456789abcdef\n", "0123456789abcdef", ""},
		{"\n  0123456789abcdef+/=  \r\n", "0123456789abcdef+/=", ""},
		{strings.Repeat("x", 4096), strings.Repeat("x", 4096), ""},
		{"0123456789abcde\n", "", "write at least 16 characters into it"},
		{"", "", "write at least 16 characters into it"},
		{"0123456789\nabcdefghi", "", "write one line without blanks into it"},
		{"0123456789 abcdefghi", "", "write one line without blanks into it"},
		{"0123456789äbcdefghi", "", "write one line without blanks into it"},
		{"0123456789\x00abcdefghi", "", "write one line without blanks into it"},
		{strings.Repeat("x", 4097), "", "write one line without blanks into it"},
	} {
		if err := os.WriteFile(path, []byte(tt.text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := ReadToken(path)
		if got != tt.token || (err != nil) != (tt.fault != "") || err != nil && !strings.Contains(err.Error(), tt.fault) {
			t.Errorf("%.20q: got %.20q, %v, want %.20q, %q", tt.text, got, err, tt.token, tt.fault)
		}
		if err != nil && len(tt.text) > 4 && strings.Contains(err.Error(), tt.text[:4]) {
			t.Errorf("got the secret in %v", err)
		}
	}
	if _, err := ReadToken(path + ".none"); !errors.Is(err, fs.ErrNotExist) || strings.Contains(err.Error(), path) {
		t.Errorf("no file: got %v, want it said without the path", err)
	}
}
