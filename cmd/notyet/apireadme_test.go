package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

const apiReadme = "../../admin/README.md"

// TestExamplesOfTheAPI makes each call of the API's README in turn and compares the answers with those that are there. It is
// tried again when it was so slow that what the cache has, for a second, may be gone.
func TestExamplesOfTheAPI(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(apiReadme)
	if err != nil {
		t.Fatal(err)
	}
	for try := 1; ; try++ {
		start := time.Now()
		faults, calls := examples(t, string(text))
		if len(faults) == 0 {
			if calls < 12 {
				t.Errorf("got %d calls in %s, want one for each page", calls, apiReadme)
			}
			return
		}
		if took := time.Since(start); took < time.Second || try == 5 {
			t.Fatalf("in %v: %s", took, strings.Join(faults, "\n"))
		}
	}
}

// examples makes the calls and returns where the answers differ.
func examples(t *testing.T, text string) (faults []string, calls int) {
	t.Helper()
	u := zoneOf(t, func(qname string) bool { return qname == "www.shipit.dev." })
	p := startWith(t, fmt.Sprintf("upstreams: [%q]\nwatch: [{zone: preview.example.com, hold: 4s}]", u.addr))
	for block, rest := nextBlock(text, "sh"); block != ""; block, rest = nextBlock(rest, "sh") {
		answer, last := "", ""
		for call := range strings.Lines(block) {
			answer, last = p.example(t, strings.TrimSpace(call), u.addr), call
			calls++
		}
		want := ""
		if after, found := strings.CutPrefix(rest, "```"); found { // the answer stands right behind
			_, after, _ = strings.Cut(after, "\n")
			want, _, _ = strings.Cut(after, "```")
		}
		if fault := alike(parsed(want), parsed(answer)); fault != "" {
			faults = append(faults, fmt.Sprintf("%s%s\ngot\n%s\nwant\n%s", last, fault, answer, want))
		}
	}
	return faults, calls
}

// nextBlock is the next block of a language in a text, and what follows it; "": there is none.
func nextBlock(text, language string) (block, rest string) {
	_, text, _ = strings.Cut(text, "```"+language+"\n")
	block, rest, _ = strings.Cut(text, "```\n")
	return block, rest
}

// example makes one call, as in "curl -X DELETE URL" or "dig NAME"; the zone's server is at addr.
func (p *program) example(t *testing.T, call, addr string) (answer string) {
	t.Helper()
	words := shellWords(call)
	url := words[len(words)-1]
	if words[0] == "dig" {
		p.ask(t, "udp", url+".", dns.TypeA)
		return ""
	}
	method, body, header := "GET", "", make(http.Header)
	for i, word := range words {
		switch word {
		case "-X":
			method = words[i+1]
		case "-d":
			method, body = "POST", strings.ReplaceAll(words[i+1], "192.0.2.53", addr)
		case "-H":
			name, value, _ := strings.Cut(words[i+1], ": ")
			header.Set(name, value)
		}
	}
	request, err := http.NewRequestWithContext(t.Context(), method, strings.Replace(url, "127.0.0.1:8053", p.admin, 1), strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header = header
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.Header.Get("Content-Type") == "text/event-stream" {
		return firstEvents(response.Body, 3)
	}
	b, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// shellWords splits a line at its blanks; single quotes keep them.
func shellWords(line string) (words []string) {
	for i, part := range strings.Split(line, "'") {
		if i%2 == 1 {
			words = append(words, part)
			continue
		}
		words = append(words, strings.Fields(part)...)
	}
	return words
}

// firstEvents is the beginning of a stream, up to the end of n events.
func firstEvents(stream io.Reader, n int) string {
	var b strings.Builder
	lines := bufio.NewScanner(stream)
	for n > 0 && lines.Scan() {
		b.WriteString(lines.Text() + "\n")
		if strings.HasPrefix(lines.Text(), "data: ") {
			n--
		}
	}
	return b.String()
}

// parsed is a body of JSON; of a stream of events a list of its lines, with the data parsed.
func parsed(text string) (value any) {
	if json.Unmarshal([]byte(text), &value) == nil {
		return value
	}
	var lines []any
	for line := range strings.Lines(text) {
		key, rest, _ := strings.Cut(strings.TrimSpace(line), ": ")
		if json.Unmarshal([]byte(rest), &value) == nil {
			lines = append(lines, map[string]any{key: value})
			continue
		}
		lines = append(lines, key+": "+rest)
	}
	return lines
}

// alike says where two values differ otherwise than in a number, a moment, a duration, an address or a TTL; "": nowhere.
func alike(want, got any) string {
	switch want := want.(type) {
	case map[string]any:
		other, ok := got.(map[string]any)
		if !ok || !slices.Equal(slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(other))) {
			return fmt.Sprintf("got %v, want the keys of %v", got, want)
		}
		for key := range want {
			if fault := alike(want[key], other[key]); fault != "" {
				return key + ": " + fault
			}
		}
		return ""
	case []any:
		other, ok := got.([]any)
		if !ok || len(want) != len(other) {
			return fmt.Sprintf("got %v, want as many as in %v", got, want)
		}
		for i := range want {
			if fault := alike(want[i], other[i]); fault != "" {
				return fault
			}
		}
		return ""
	case float64:
		if _, ok := got.(float64); ok {
			return ""
		}
	case string:
		if other, ok := got.(string); ok && shape(want) == shape(other) {
			return ""
		}
	default:
		if want == got {
			return ""
		}
	}
	return fmt.Sprintf("got %v, want %v", got, want)
}

// shape is a text with what is another each time taken out.
func shape(text string) string {
	if strings.HasPrefix(text, "notyet ") {
		return "version"
	}
	if _, err := time.Parse(time.RFC3339, text); err == nil {
		return "moment"
	}
	if _, err := time.ParseDuration(text); err == nil {
		return "duration"
	}
	if _, err := netip.ParseAddrPort(text); err == nil {
		return "address"
	}
	if words := strings.Fields(text); len(words) > 4 && words[2] == "IN" { // a record
		words[1] = "TTL"
		return strings.Join(words, " ")
	}
	return text
}
