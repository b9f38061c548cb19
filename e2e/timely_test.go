//go:build e2e && linux

package e2e

import "testing"

// timely tries up to three times what has to happen within some time: something else may take the processor away for a
// while, but a notyet that is slow is slow each time.
func timely(t testing.TB, try func() error) {
	t.Helper()
	var err error
	for range 3 {
		if err = try(); err == nil || t.Failed() {
			return
		}
		t.Logf("once more, because %v", err)
	}
	t.Error(err)
}
