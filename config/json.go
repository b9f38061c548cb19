package config

import (
	"bytes"
	"encoding/json"
	"errors"

	"go.yaml.in/yaml/v3"
)

// JSON is what YAML is, as an object with the keys in their alphabetical order. Parse reads it too.
func (c Config) JSON() []byte {
	var keys map[string]any
	err := yaml.Unmarshal(c.YAML(), &keys)
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false) // it is for people and jq
	encoder.SetIndent("", "  ")
	if err := errors.Join(err, encoder.Encode(keys)); err != nil {
		panic(err) // text of ours into memory
	}
	return b.Bytes()
}
