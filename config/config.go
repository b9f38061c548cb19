// Package config turns a file into checked values: a Config is good as a whole, or there is none.
package config

import (
	"errors"
	"io/fs"
	"log/slog"
	"net/netip"
	"time"
)

// Config is what an operator can choose. Its fields are those of the file; reference.yaml explains each.
type Config struct {
	Listen         []netip.AddrPort // each UDP and TCP, at least one; port 0 is any free port
	Upstreams      []Upstream       // in order of preference, 1 to 64
	ResolvConf     string           // file that the upstream system is read from, and followed
	Policy         Policy
	ReusePort      bool             // share the listen addresses with other processes
	Routes         []Route          // zones with upstreams of their own; the longest match wins
	Bootstrap      []netip.AddrPort // DNS servers that know the addresses of upstreams given by name; empty: those of ResolvConf
	TLSCA          string           // file with the roots (PEM) that upstreams over TLS are checked against; empty: the system's
	TLSPins        []Pin            // keys that upstreams over TLS must have
	Cache          Cache
	Watch          []Watch // names that may not exist yet; the longest match wins, at most 1,000
	Notify         Notify
	Allow          []Clients // who is answered; others are REFUSED
	RateLimit      int       // UDP packets a second that the clients of one prefix may send; zero is no limit
	Admin          string    // IP:port, localhost:port or unix:///path; empty is off
	AdminTokenFile string    // file with what every client of Admin has to know; empty: nothing, and Admin is of this machine alone
	Log            slog.Level
	LogFormat      LogFormat
	QueryLog       QueryLog
	State          string // directory that leases are kept in over a restart; empty is none
}

// Cache bounds what is kept, and for how long.
type Cache struct {
	Memory         int64         // bytes for answers, keys and bookkeeping
	MaxTTL         time.Duration // longest life of a positive answer; whole seconds
	MaxNegativeTTL time.Duration // longest life of a negative answer; whole seconds, zero keeps none
	Stale          time.Duration // how long past its TTL a positive answer may stand in; whole seconds, zero is never
	Snapshot       string        // file that the cache is kept in over a restart; empty is none
}

// Policy says which of several upstreams is asked first.
type Policy string

const (
	Sequential Policy = "sequential" // the first of the list
	Random     Policy = "random"     // any of them
)

// LogFormat is how log lines are written.
type LogFormat string

const (
	LogAuto LogFormat = "auto" // text on a terminal, JSON elsewhere
	LogText LogFormat = "text"
	LogJSON LogFormat = "json"
)

// QueryLog says which queries leave a line in the log.
type QueryLog string

const (
	QueryLogOff    QueryLog = "off"
	QueryLogDenial QueryLog = "denial" // those with a negative answer
	QueryLogAll    QueryLog = "all"
)

// Default is the configuration of an empty file. The caller owns its slices.
func Default() Config {
	return Config{
		Listen:     []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:1053")},
		Upstreams:  []Upstream{{System: true}},
		ResolvConf: "/etc/resolv.conf",
		Policy:     Sequential,
		Cache: Cache{
			Memory:         64 << 20,
			MaxTTL:         24 * time.Hour,
			MaxNegativeTTL: 15 * time.Minute,
			Stale:          time.Hour,
		},
		Allow:     []Clients{loopback, private},
		Admin:     "127.0.0.1:8053",
		Log:       slog.LevelInfo,
		LogFormat: LogAuto,
		QueryLog:  QueryLogOff,
	}
}

// Load reads the file at path. Its error has one line for each fault of the file, each beginning
// with the path. The file is checked as it stands, also against the addresses of this machine;
// what flags change afterwards is the business of Check.
func Load(path string) (Config, error) {
	data, err := ReadFile(path)
	if err != nil {
		var cause *fs.PathError
		if errors.As(err, &cause) {
			err = cause.Err // the path is said once, where a fault says it
		}
		return Config{}, Fault{File: path, Remedy: err.Error()}
	}
	c, faults := parse(data, localAddrs())
	for i := range faults {
		faults[i].File = path
	}
	return c, join(faults)
}

// Parse reads the text of a file. Its error has one line for each fault, in the order of the file,
// and comes with the zero Config. Unlike Load it knows no addresses of this machine but loopback.
func Parse(data []byte) (Config, error) {
	c, faults := parse(data, nil)
	return c, join(faults)
}
