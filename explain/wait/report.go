package wait

import (
	"encoding/json"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Report is how far a record has come.
type Report struct {
	Name string `json:"name"`
	Type string `json:"type"`
	Done bool   `json:"done"`
	Took Took   `json:"seconds"` // so far, or all in all
	// Names are the name, and those that its aliases lead to.
	Names []Name `json:"names"`
}

// Name is one that has to be right, and what the servers of its zone say.
type Name struct {
	Name    string   `json:"name"`
	Zone    string   `json:"zone,omitempty"`  // its apex; empty: it has not been found
	Fault   string   `json:"fault,omitempty"` // why its servers cannot be asked
	Servers []Server `json:"servers"`
}

// Server is one server of the zone that a name lives in.
type Server struct {
	Name    string         `json:"server"` // without the final dot; the address when it is given
	Address netip.AddrPort `json:"address,omitzero"`
	State   State          `json:"state"`
	// Says is what it answers, each record's data with its type before it when that is not the type asked for; or
	// NXDOMAIN, NODATA, or what is wrong with it.
	Says []string `json:"says"`
	// After is when it first said so, since the wait began. It is as good as the questions were frequent.
	After Took `json:"after_seconds"`

	// Target is where its answer leads on to, to another zone; empty: nowhere.
	Target string `json:"target,omitempty"`
	denies bool
}

// State is what a server has to do with a wait.
type State string

// What a server can be.
const (
	Ready   State = "ready"   // it says what is waited for
	Behind  State = "behind"  // it says something else
	Lame    State = "lame"    // it answers, and says nothing of use: it refuses, or has no authority
	Silent  State = "silent"  // it gives no reply
	Unheard State = "unheard" // it has not been heard yet
	Absent  State = "absent"  // it has no address, so that nobody can ask it: it isn't waited for
)

// Took is a time that is given in seconds in JSON, down to milliseconds.
type Took time.Duration

// MarshalJSON writes seconds.
func (t Took) MarshalJSON() ([]byte, error) {
	return json.Marshal(float64(time.Duration(t).Milliseconds()) / 1000)
}

// clone is what others may keep.
func (r *Report) clone() *Report {
	c := *r
	c.Names = slices.Clone(r.Names)
	for i := range c.Names {
		c.Names[i].Servers = slices.Clone(r.Names[i].Servers)
	}
	return &c
}

// Missing says why it is not done, in lines.
func (r *Report) Missing() (lines []string) {
	for _, n := range r.Names {
		name, about := withoutDot(n.Name), ""
		if n.Name != r.Name {
			about = name + " at "
		}
		if n.Fault != "" {
			lines = append(lines, name+": "+n.Fault)
			continue
		}
		for _, s := range n.Servers {
			switch s.State {
			case Behind, Lame, Silent:
				lines = append(lines, about+s.Name+": "+strings.Join(s.Says, ", "))
			case Unheard:
				lines = append(lines, about+s.Name+": not heard yet")
			}
		}
	}
	switch {
	case r.Done || len(lines) > 0:
	case len(r.Names) == 0:
		lines = append(lines, withoutDot(r.Name)+": there was no time to find its name servers")
	default:
		lines = append(lines, withoutDot(r.Name)+": its aliases go round in a circle")
	}
	return lines
}

// withoutDot is a name as people write it.
func withoutDot(name string) string { return strings.TrimSuffix(name, ".") }

func (r *Report) find(name string) *Name {
	for i := range r.Names {
		if r.Names[i].Name == name {
			return &r.Names[i]
		}
	}
	return nil
}

// server is the one with a name, or nil.
func (n *Name) server(name string) *Server {
	for i := range n.Servers {
		if n.Servers[i].Name == name {
			return &n.Servers[i]
		}
	}
	return nil
}
