package launchd_test

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
)

// TestPropertyListStartsTheService reads the list as pairs of a key and what follows it.
func TestPropertyListStartsTheService(t *testing.T) {
	t.Parallel()
	file, err := os.Open("notyet.plist")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	values := make(map[string]string) // key → its elements and their text
	key, inKey := "", false
	for d := xml.NewDecoder(file); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		switch token := token.(type) {
		case xml.StartElement:
			if inKey = token.Name.Local == "key"; !inKey {
				values[key] += "<" + token.Name.Local + ">"
			}
		case xml.EndElement:
			inKey = false
		case xml.CharData:
			if text := strings.TrimSpace(string(token)); inKey {
				key = text
			} else {
				values[key] += text
			}
		}
	}
	for key, want := range map[string]string{
		"Label":             "<string>notyet",
		"ProgramArguments":  "<array><string>/usr/local/bin/notyet<string>serve<string>--config<string>/usr/local/etc/notyet.yaml",
		"UserName":          "<string>nobody",
		"RunAtLoad":         "<true>",
		"KeepAlive":         "<dict>",
		"SuccessfulExit":    "<false>",
		"ExitTimeOut":       "<integer>15",
		"ProcessType":       "<string>Interactive",
		"StandardErrorPath": "<string>/var/log/notyet.log",
	} {
		if got := values[key]; got != want {
			t.Errorf("%s: got %q, want %q", key, got, want)
		}
	}
}
