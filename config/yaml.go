package config

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// file is the shape of the configuration file, in its order.
type file struct {
	Listen    []string    `yaml:"listen"`
	Upstreams []string    `yaml:"upstreams"`
	Policy    Policy      `yaml:"policy"`
	ReusePort bool        `yaml:"reuse_port"`
	Routes    []fileRoute `yaml:"routes"`
	Cache     struct {
		Memory         string `yaml:"memory"`
		MaxTTL         string `yaml:"max_ttl"`
		MaxNegativeTTL string `yaml:"max_negative_ttl"`
	} `yaml:"cache"`
	Allow     []string  `yaml:"allow"`
	Admin     string    `yaml:"admin"`
	Log       string    `yaml:"log"`
	LogFormat LogFormat `yaml:"log_format"`
	QueryLog  QueryLog  `yaml:"query_log"`
}

type fileRoute struct {
	Zone      string   `yaml:"zone"`
	Upstreams []string `yaml:"upstreams"`
}

// YAML is a file with every key, which Parse reads back to a Config equal to c.
func (c Config) YAML() []byte {
	f := file{
		Listen:    spell(c.Listen),
		Upstreams: spell(c.Upstreams),
		Policy:    c.Policy,
		ReusePort: c.ReusePort,
		Allow:     spell(c.Allow),
		Admin:     c.Admin,
		Log:       strings.ToLower(c.Log.String()),
		LogFormat: c.LogFormat,
		QueryLog:  c.QueryLog,
	}
	f.Cache.Memory = spellSize(c.Cache.Memory)
	f.Cache.MaxTTL = spellDuration(c.Cache.MaxTTL)
	f.Cache.MaxNegativeTTL = spellDuration(c.Cache.MaxNegativeTTL)
	for _, r := range c.Routes {
		f.Routes = append(f.Routes, fileRoute{r.Zone, spell(r.Upstreams)})
	}
	var b bytes.Buffer
	encoder := yaml.NewEncoder(&b)
	encoder.SetIndent(2)
	if err := errors.Join(encoder.Encode(f), encoder.Close()); err != nil {
		panic(err) // strings of ours into memory
	}
	return b.Bytes()
}

// spell never returns nil: an empty list is written as one.
func spell[T fmt.Stringer](values []T) []string {
	words := make([]string, len(values))
	for i, v := range values {
		words[i] = v.String()
	}
	return words
}
