package config

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// file is the shape of the configuration file, in its order.
type file struct {
	Listen     []string    `yaml:"listen"`
	Upstreams  []string    `yaml:"upstreams"`
	ResolvConf string      `yaml:"resolv_conf"`
	Policy     Policy      `yaml:"policy"`
	ReusePort  bool        `yaml:"reuse_port"`
	Routes     []fileRoute `yaml:"routes"`
	Bootstrap  []string    `yaml:"bootstrap"`
	TLSCA      string      `yaml:"tls_ca"`
	TLSPins    []string    `yaml:"tls_pins"`
	Cache      struct {
		Memory         string `yaml:"memory"`
		MaxTTL         string `yaml:"max_ttl"`
		MaxNegativeTTL string `yaml:"max_negative_ttl"`
		Stale          string `yaml:"stale"`
		Snapshot       string `yaml:"snapshot"`
	} `yaml:"cache"`
	Watch  []fileWatch `yaml:"watch"`
	Notify struct {
		Allow []string  `yaml:"allow"`
		Keys  []fileKey `yaml:"keys"`
	} `yaml:"notify"`
	Allow          []string  `yaml:"allow"`
	RateLimit      int       `yaml:"rate_limit"`
	Admin          string    `yaml:"admin"`
	AdminTokenFile string    `yaml:"admin_token_file"`
	Log            string    `yaml:"log"`
	LogFormat      LogFormat `yaml:"log_format"`
	QueryLog       QueryLog  `yaml:"query_log"`
	State          string    `yaml:"state"`
}

type fileRoute struct {
	Zone      string   `yaml:"zone"`
	Upstreams []string `yaml:"upstreams"`
}

type fileWatch struct {
	Zone             string   `yaml:"zone"`
	NegativeTTL      string   `yaml:"negative_ttl"`
	NODATATTL        string   `yaml:"nodata_ttl"`
	Verify           Verify   `yaml:"verify"`
	UpstreamAfter    string   `yaml:"upstream_after"`
	Hold             string   `yaml:"hold"`
	Poll             string   `yaml:"poll"`
	GiveUp           string   `yaml:"give_up"`
	QueriesPerSecond int      `yaml:"queries_per_second"`
	Authorities      []string `yaml:"authorities"`
}

type fileKey struct {
	Name      string `yaml:"name"`
	Algorithm string `yaml:"algorithm"`
	Secret    string `yaml:"secret"`
}

// YAML is a file with every key, which Parse reads back to a Config equal to c once the secrets, which
// are not shown, have been written in.
func (c Config) YAML() []byte {
	c.Notify.Keys = slices.Clone(c.Notify.Keys)
	for i := range c.Notify.Keys {
		c.Notify.Keys[i].Secret = notShown
	}
	return c.withSecrets()
}

// withSecrets is YAML, with the secrets.
func (c Config) withSecrets() []byte {
	var b bytes.Buffer
	encoder := yaml.NewEncoder(&b)
	encoder.SetIndent(2)
	if err := errors.Join(encoder.Encode(c.file()), encoder.Close()); err != nil {
		panic(err) // strings of ours into memory
	}
	return b.Bytes()
}

// file is every key with the spelling of its value.
func (c Config) file() file {
	f := file{
		Listen:         spell(c.Listen),
		Upstreams:      spell(c.Upstreams),
		ResolvConf:     c.ResolvConf,
		Policy:         c.Policy,
		ReusePort:      c.ReusePort,
		Bootstrap:      spell(c.Bootstrap),
		TLSCA:          c.TLSCA,
		TLSPins:        spell(c.TLSPins),
		Allow:          spell(c.Allow),
		RateLimit:      c.RateLimit,
		Admin:          c.Admin,
		AdminTokenFile: c.AdminTokenFile,
		Log:            strings.ToLower(c.Log.String()),
		LogFormat:      c.LogFormat,
		QueryLog:       c.QueryLog,
		State:          c.State,
	}
	f.Cache.Memory = spellSize(c.Cache.Memory)
	f.Cache.MaxTTL = spellDuration(c.Cache.MaxTTL)
	f.Cache.MaxNegativeTTL = spellDuration(c.Cache.MaxNegativeTTL)
	f.Cache.Stale = spellDuration(c.Cache.Stale)
	f.Cache.Snapshot = c.Cache.Snapshot
	for _, r := range c.Routes {
		f.Routes = append(f.Routes, fileRoute{r.Zone, spell(r.Upstreams)})
	}
	for _, w := range c.Watch {
		f.Watch = append(f.Watch, fileWatch{
			Zone:             w.Zone,
			NegativeTTL:      spellDuration(w.NegativeTTL),
			NODATATTL:        spellDuration(w.NODATATTL),
			Verify:           w.Verify,
			UpstreamAfter:    spellDuration(w.UpstreamAfter),
			Hold:             spellDuration(w.Hold),
			Poll:             spellDuration(w.Poll),
			GiveUp:           spellDuration(w.GiveUp),
			QueriesPerSecond: w.QueriesPerSecond,
			Authorities:      spell(w.Authorities),
		})
	}
	f.Notify.Allow = spell(c.Notify.Allow)
	for _, k := range c.Notify.Keys {
		f.Notify.Keys = append(f.Notify.Keys, fileKey(k))
	}
	return f
}

// spell never returns nil: an empty list is written as one.
func spell[T fmt.Stringer](values []T) []string {
	words := make([]string, len(values))
	for i, v := range values {
		words[i] = v.String()
	}
	return words
}
