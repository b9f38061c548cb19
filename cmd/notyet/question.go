package main

import (
	"fmt"

	"github.com/miekg/dns"
	"github.com/spf13/cobra"

	"notyet/config"
	"notyet/explain"
)

// nameAndType reads the arguments NAME and TYPE, which is A when there is none.
func nameAndType(cmd *cobra.Command, args []string) (qname string, qtype uint16, err error) {
	switch {
	case len(args) == 0:
		return "", 0, fmt.Errorf("%s takes a NAME, such as www.example.com", cmd.Name())
	case len(args) > 2:
		return "", 0, fmt.Errorf("%s takes a NAME and a TYPE: %q is one too many", cmd.Name(), args[2])
	}
	if qname, err = config.ParseName(args[0]); err != nil {
		return "", 0, nameError(args[0], err)
	}
	if len(args) == 1 {
		return qname, dns.TypeA, nil
	}
	if qtype, err = explain.ParseType(args[1]); err == nil {
		return qname, qtype, nil
	}
	if _, reversed := explain.ParseType(args[0]); reversed == nil {
		return "", 0, fmt.Errorf("%q is a type: write the name before it", args[0])
	}
	return "", 0, fmt.Errorf("TYPE %q: %w", args[1], err)
}
