package wire

import (
	"strings"

	"github.com/miekg/dns"
)

// Record is a record as a zone file has it, with a space between its fields. What is in quotes is as it is.
func Record(rr dns.RR) string { return strings.ReplaceAll(rr.String(), "\t", " ") } // in data a tab is \009
