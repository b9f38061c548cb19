// Package private runs a command whose name server is another one than the machine's, and that is otherwise what it would be
// without: the same process group, terminal, files, user, environment, limits and, in the end, exit code. Linux only.
package private

import (
	"net/netip"
	"slices"
	"strings"
)

// ResolvConf is the machine's resolv.conf with server, at port 53, in place of its name servers. The search list and the
// options stay.
func ResolvConf(machine string, server netip.Addr) string {
	const comment = "# of notyet run: the name server is its own, the rest is the machine's"
	var b strings.Builder
	b.WriteString(comment + "\nnameserver " + server.String() + "\n")
	for line := range strings.Lines(machine) {
		line = strings.TrimSuffix(line, "\n")
		words := strings.Fields(line)
		if line == comment || len(words) > 0 && words[0] == "nameserver" { // the first, when one runs within another
			continue
		}
		b.WriteString(line + "\n")
	}
	return b.String()
}

// NSSwitch is the machine's nsswitch.conf with dns in place of resolve, which asks systemd-resolved whatever resolv.conf says.
// What is to be done after resolve said something ([!UNAVAIL=return] mostly) goes with it.
func NSSwitch(machine string) string {
	var b strings.Builder
	for line := range strings.Lines(machine) {
		b.WriteString(withoutResolve(line))
	}
	return b.String()
}

func withoutResolve(line string) string {
	sources, comment, commented := strings.Cut(strings.TrimSuffix(line, "\n"), "#")
	database, list, found := strings.Cut(sources, ":")
	// Brackets may be written without spaces around them, and with some inside.
	words := strings.Fields(strings.NewReplacer("[", " [", "]", "] ").Replace(list))
	if !found || strings.TrimSpace(database) != "hosts" || !slices.Contains(words, "resolve") {
		return line
	}
	var kept []string
	dropping := false // actions, to the next source
	depth := 0        // of brackets
	for _, word := range words {
		inside := depth > 0 || strings.HasPrefix(word, "[")
		depth += strings.Count(word, "[") - strings.Count(word, "]")
		switch {
		case inside && dropping:
		case inside:
			kept = append(kept, word)
		case word == "resolve":
			dropping = true
			if !slices.Contains(words, "dns") {
				kept = append(kept, "dns")
			}
		default:
			dropping = false
			kept = append(kept, word)
		}
	}
	line = database + ": " + strings.Join(kept, " ")
	if commented {
		line += " #" + comment
	}
	return line + "\n"
}
