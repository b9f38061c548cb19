package explain

import (
	"time"

	"github.com/miekg/dns"
)

// Facts are what was found out about a question, and with the verdict the document that explain --json prints. Names are in
// lower case and end in a dot, types and records are spelled as in a zone file, and what is in seconds says so. What is nil
// is not known.
type Facts struct {
	Name    string    `json:"name"`
	Type    string    `json:"type"`
	Time    time.Time `json:"time"`
	Domain  string    `json:"domain"` // the registrable one that Name is in
	Suffix  string    `json:"suffix"` // the public one above it
	Asked   bool      `json:"asked"`  // the resolvers were asked with recursion
	Verdict Verdict   `json:"verdict"`
	// Steps are the name, and then where its CNAMEs lead to. There is at least one.
	Steps     []Step  `json:"steps"`
	Resolvers []View  `json:"resolvers"`
	Given     []Given `json:"given"`           // servers that should have the name, and need not be those that are found
	Admin     string  `json:"admin,omitempty"` // where a running notyet was looked for
	Notyet    *Notyet `json:"notyet"`          // what it knows; nil: none is running there
}

// Step is one name of a chain of CNAMEs.
type Step struct {
	Name    string   `json:"name"`
	Zones   []Zone   `json:"zones"`   // that lead to the name, from the top down; the last one has it
	Servers []Server `json:"servers"` // of the last zone
	Target  string   `json:"target,omitempty"`
	// Types are those of interest that the name has, when it does not have the one that was asked for.
	Types []string `json:"types,omitempty"`
	// Missing is the highest name in the zone that does not exist, when that is above Name.
	Missing string `json:"missing,omitempty"`
	// Near are names that exist and are spelled almost as Missing or Name.
	Near []string `json:"near,omitempty"`
}

// Zone is a zone on the way to a name.
type Zone struct {
	Apex      string   `json:"apex"`
	SOA       *SOA     `json:"soa"`
	Delegated *bool    `json:"delegated"` // by the servers of the zone above
	NS        []string `json:"ns"`        // by the zone above, or else its own
	DS        *bool    `json:"ds"`        // at the zone above
	DNSKEY    *bool    `json:"dnskey"`
	Fault     string   `json:"fault,omitempty"` // why its servers cannot be asked
	// Differs is among the reasons: the resolvers have another zone of that name.
	Differs bool `json:"differs,omitempty"`
}

// SOA is what a zone says of itself.
type SOA struct {
	Owner   string `json:"owner"`
	MName   string `json:"mname"` // where it is changed
	RName   string `json:"rname"`
	Serial  uint32 `json:"serial"`
	TTL     uint32 `json:"ttl_seconds"`
	Minimum uint32 `json:"minimum_seconds"`
	Refresh uint32 `json:"refresh_seconds"`
	Retry   uint32 `json:"retry_seconds"`
	Expire  uint32 `json:"expire_seconds"`
}

func soaOf(rr *dns.SOA) *SOA {
	return &SOA{
		Owner: dns.CanonicalName(rr.Hdr.Name), MName: dns.CanonicalName(rr.Ns), RName: dns.CanonicalName(rr.Mbox),
		Serial: rr.Serial, TTL: rr.Hdr.Ttl, Minimum: rr.Minttl, Refresh: rr.Refresh, Retry: rr.Retry, Expire: rr.Expire,
	}
}

// NegativeTTL is for how long a denial of the zone is kept (RFC 2308, section 5).
func (s *SOA) NegativeTTL() time.Duration { return time.Duration(min(s.TTL, s.Minimum)) * time.Second }

// same reports whether both are of one zone. Serials differ while an update is on its way, TTLs with age.
func (s *SOA) same(o *SOA) bool {
	return s.Owner == o.Owner && s.MName == o.MName && s.RName == o.RName &&
		s.Refresh == o.Refresh && s.Retry == o.Retry && s.Expire == o.Expire
}

// What a server or a resolver says to a question.
const (
	Positive = "positive"
	NXDOMAIN = "nxdomain"
	NODATA   = "nodata"
	Referral = "referral" // to servers further down
	Lame     = "lame"     // it is not authoritative, or says nothing of use
	Silent   = "silent"   // it gave no reply
	Away     = "away"     // there is no way to it from here
	Unknown  = "unknown"
	Failure  = "failure" // SERVFAIL, REFUSED and the like, to a question with recursion
)

// Server is what one server of a zone says.
type Server struct {
	Name    string   `json:"name"` // without the final dot
	Address string   `json:"address,omitempty"`
	Says    string   `json:"says"`
	Records []string `json:"records,omitempty"`
	Why     string   `json:"why,omitempty"` // it is lame or silent
	// Recursor: it answers as a resolver does, not as a server of the zone.
	Recursor bool `json:"recursor,omitempty"`
}

// counts reports whether what the server says is an answer.
func (s *Server) counts() bool { return s.Says == Positive || s.denies() }

func (s *Server) denies() bool { return s.Says == NXDOMAIN || s.Says == NODATA }

// View is what one resolver has.
type View struct {
	Address string `json:"address"`
	Notyet  bool   `json:"notyet,omitempty"` // it is the one that is running
	Behind  bool   `json:"behind,omitempty"` // the running notyet asks it, and this machine does not
	Cached  Cached `json:"cached"`
	// DomainSOA is the SOA that it has of the registrable domain.
	DomainSOA *SOA    `json:"domain_soa"`
	Answer    *Answer `json:"answer,omitempty"` // to the question with recursion
}

// Answer is what a resolver says when it is asked with recursion.
type Answer struct {
	Says    string   `json:"says"`
	Rcode   string   `json:"rcode,omitempty"`
	Records []string `json:"records,omitempty"`
	Why     string   `json:"why,omitempty"` // there is no reply
	EDE     []EDE    `json:"ede,omitempty"`
	// Unchecked: without validation there is an answer.
	Unchecked bool `json:"unchecked,omitempty"`
	SOA       *SOA `json:"soa,omitempty"` // in a denial
}

// EDE is an extended error (RFC 8914).
type EDE struct {
	Code uint16 `json:"code"`
	Name string `json:"name"`
	Text string `json:"text,omitempty"`
}

// Given is a server that was named by the user, or by a watch of the running notyet.
type Given struct {
	Server
	Zone string `json:"zone,omitempty"` // that it has the name in, by its own word
}
