package admin

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestTokenIsWhatItsFileHas(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ text, token, fault string }{
		{"s3cret", "s3cret", ""},
		{"\n s3cret=\r\n", "s3cret=", ""},
		{"", "", "it is empty"},
		{" \n", "", "it is empty"},
		{"two words", "", "write one token"},
		{"one\nanother\n", "", "write one token"},
		{"schlüssel", "", "write one token"},
		{"\xff", "", "write one token"},
		{"a\x00", "", "write one token"},
		{strings.Repeat("x", 4096), strings.Repeat("x", 4096), ""},
		{strings.Repeat("x", 4097), "", "write a shorter token"},
	} {
		path := filepath.Join(t.TempDir(), "token")
		if err := os.WriteFile(path, []byte(tt.text), 0o600); err != nil {
			t.Fatal(err)
		}
		token, err := ReadToken(path)
		if token != tt.token || (err == nil) != (tt.fault == "") {
			t.Errorf("%.20q: got %.20q, %v, want %.20q, %q", tt.text, token, err, tt.token, tt.fault)
		}
		if err != nil && (!strings.Contains(err.Error(), tt.fault) || !strings.HasPrefix(err.Error(), "token file "+path+": ")) {
			t.Errorf("%.20q: got %v, want %q", tt.text, err, tt.fault)
		}
	}
	if _, err := ReadToken(filepath.Join(t.TempDir(), "none")); err == nil || strings.Count(err.Error(), "none") != 1 {
		t.Errorf("no file: got %v, want it named once", err)
	}
}
