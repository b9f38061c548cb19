package config

import (
	"errors"
	"net/netip"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
	"golang.org/x/net/publicsuffix"
)

// Watch is a zone whose names may not exist yet: its apex and all below are not believed missing for long.
type Watch struct {
	Zone             string           // lower case, ends in a dot; never an ICANN suffix, such as com or co.uk
	NegativeTTL      time.Duration    // longest life of an NXDOMAIN; whole seconds, zero keeps none
	NODATATTL        time.Duration    // longest life of a NODATA; whole seconds, zero keeps none
	Verify           Verify           // when the zone's own servers are asked
	UpstreamAfter    time.Duration    // a name pending for so long is asked at the upstream once; zero: never
	Hold             time.Duration    // how long a client may be kept waiting for a positive answer; zero: not at all
	Poll             time.Duration    // first interval between questions in the background; zero: none are asked
	GiveUp           time.Duration    // a name pending for so long is no longer polled
	QueriesPerSecond int              // to the zone's own servers, all told
	Authorities      []netip.AddrPort // the zone's own servers, all of them; none: they are found
}

// Verify says when a zone's own servers are asked.
type Verify string

const (
	VerifyBefore Verify = "before" // before the upstream
	VerifyAfter  Verify = "after"  // when the upstream's answer is negative
	VerifyOff    Verify = "off"    // never
)

// DefaultWatch is a watch that says nothing but its zone: lower case, with its final dot.
func DefaultWatch(zone string) Watch {
	return Watch{
		Zone:             zone,
		NegativeTTL:      2 * time.Second,
		NODATATTL:        30 * time.Second,
		Verify:           VerifyBefore,
		UpstreamAfter:    10 * time.Second,
		Poll:             time.Second,
		GiveUp:           15 * time.Minute,
		QueriesPerSecond: 50,
	}
}

// ParseWatch reads ZONE[,key=value]... with the keys of the file, of which authorities may be there several times.
// The error names key and value, and says what to write instead.
func ParseWatch(s string) (Watch, error) {
	w := DefaultWatch("")
	keys := watchKeys(&w)
	p := parser{lines: make(map[string]int)}
	authorities := &yaml.Node{Kind: yaml.SequenceNode}
	for pair := range strings.SplitSeq("zone="+s, ",") {
		key, value, found := strings.Cut(pair, "=")
		node := &yaml.Node{Kind: yaml.ScalarNode, Value: value}
		f, known := keys[key]
		_, again := p.lines[key]
		switch {
		case !found:
			p.add(Fault{Value: quote(pair), Remedy: "write key=value, such as hold=4s; another zone needs a flag of its own"})
		case !known:
			p.add(Fault{Key: below("", key), Remedy: "unknown key: " + keys.suggest(key)})
		case key == "authorities":
			authorities.Content = append(authorities.Content, node)
		case again:
			p.add(duplicate(key, value))
		default:
			p.read(key, node, f)
		}
	}
	p.read("authorities", authorities, keys["authorities"])
	if len(p.faults) > 0 {
		return Watch{}, p.faults[0]
	}
	return w, nil
}

// ParseWatchZone reads the name of a watch, and returns it in lower case with its final dot. It takes no name whose servers
// are everybody's. The error says what to write instead.
func ParseWatchZone(s string) (string, error) {
	if s == "" {
		return "", errors.New("write a name such as preview.example.com")
	}
	zone, err := parseZone(s)
	if err != nil {
		return "", err
	}
	if isPublicSuffix(zone) {
		return "", errors.New("name a zone below it: the names under a public suffix are other people's too")
	}
	return zone, nil
}

// isPublicSuffix tells of a zone whether its children are registered by anyone. The private section of the list does
// not count, its suffixes being ordinary zones of one owner, nor does a TLD that is not in the list, such as internal.
func isPublicSuffix(zone string) bool {
	if zone == "." {
		return true
	}
	zone = strings.TrimSuffix(zone, ".")
	// Asked of a child, as the list has *.ck without ck; no suffix has an underscore.
	suffix, icann := publicsuffix.PublicSuffix("_." + zone)
	return icann && len(suffix) >= len(zone)
}

// ParseAuthority reads the address of a name server: IP or IP:port. The error says what to write instead.
func ParseAuthority(s string) (netip.AddrPort, error) {
	addr, ok := parseAddrPort(s)
	if !ok {
		return netip.AddrPort{}, errors.New(`write the IP address of a server, such as 192.0.2.1, 192.0.2.1:5353 or "[2001:db8::1]:53"`)
	}
	if err := oneServer(addr); err != nil {
		return netip.AddrPort{}, err
	}
	return addr, nil
}
