package config

import (
	"encoding/json"
	"errors"
	"time"
)

// How long a lease lasts: what it may say, and what it does when it says nothing.
const (
	minLease     = time.Second
	maxLease     = 24 * time.Hour
	defaultLease = 15 * time.Minute
)

// Lease is a watch that ends by itself.
type Lease struct {
	Watch
	For time.Duration // 1 s to 24 h
}

// ParseLease reads a lease from a JSON object: name and for beside the keys that a watch in the file has. The error has a line
// for each fault, which names key and value, and says what to write instead.
func (c Config) ParseLease(object []byte) (Lease, error) {
	l := Lease{Watch: DefaultWatch(""), For: defaultLease}
	if !json.Valid(object) {
		return Lease{}, errors.New(`write a JSON object, such as {"name": "preview.example.com", "for": "15m"}`)
	}
	root, bad := document(object) // JSON is YAML
	if bad != nil || root == nil {
		return Lease{}, errors.New("write a JSON object of keys and values, without control characters")
	}
	p := parser{lines: make(map[string]int)}
	p.read("", root, leaseKeys(&l).having("a lease has a name", "name"))
	if len(p.faults) == 0 && len(l.Authorities) > 0 {
		p.faults = c.authorityFaults("authorities", l.Authorities, localAddrs())
	}
	if len(p.faults) > 0 {
		for i := range p.faults {
			p.faults[i].Line = 0 // of a body that is mostly one line
		}
		return Lease{}, join(p.faults)
	}
	return l, nil
}

func leaseKeys(l *Lease) mapping {
	keys := watchKeys(&l.Watch)
	keys["name"] = keys["zone"]
	delete(keys, "zone")
	keys["for"] = scalar(&l.For, ParseLeaseTime)
	return keys
}

// ParseLeaseTime reads for how long a lease lasts: whole seconds, 1 s to 24 h. The error says what to write instead.
func ParseLeaseTime(s string) (time.Duration, error) {
	return duration(minLease, maxLease, time.Second)(s)
}
