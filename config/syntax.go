package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"
)

// document is the root of the only YAML document in data; nil when there is nothing in it.
func document(data []byte) (*yaml.Node, *Fault) {
	roots, err := documents(data)
	switch {
	case err != nil:
		problem, line := strings.TrimPrefix(err.Error(), "yaml: "), 1
		if n, _ := fmt.Sscanf(problem, "line %d:", &line); n == 1 {
			_, problem, _ = strings.Cut(problem, ": ")
		}
		return nil, &Fault{Line: syntaxLine(data, line), Remedy: "not YAML (" + problem + `): indent with spaces, ` +
			`put a space after each colon, and quotes around an address in brackets, such as "[::1]:53"`}
	case len(roots) > 1:
		return nil, &Fault{Line: roots[1].Line, Remedy: "remove the second document: a file has one"}
	case len(roots) == 0 || roots[0].Content[0].Tag == "!!null":
		return nil, nil
	}
	return roots[0].Content[0], nil
}

func documents(data []byte) ([]*yaml.Node, error) {
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var roots []*yaml.Node
	for {
		var root yaml.Node
		switch err := decoder.Decode(&root); {
		case errors.Is(err, io.EOF):
			return roots, nil
		case err != nil:
			return nil, err
		}
		roots = append(roots, &root)
	}
}

// syntaxLine is the line after the longest run of first lines that are YAML by themselves. The one that the YAML
// parser reports may be that of the enclosing block, one off, or not there; in a huge file it has to do.
func syntaxLine(data []byte, reported int) int {
	budget := 4 << 20 // bytes to read again, a tenth of a second
	for end := len(data); end > 0 && budget > 0; budget -= end {
		end = bytes.LastIndexByte(data[:end-1], '\n') + 1
		if _, err := documents(data[:end]); err == nil {
			return bytes.Count(data[:end], []byte("\n")) + 1
		}
	}
	return reported
}
