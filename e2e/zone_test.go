//go:build e2e && linux

package e2e

import (
	"fmt"
	"strings"

	"notyet/e2e/testbed"
)

// The zones of the shared bed. The first four have the same records.
const (
	plainZone  = "shipit.dev"
	signedZone = "signed.dev"
	nsec3Zone  = "nsec3.dev"
	bogusZone  = "bogus.dev" // signed; Unbound has a wrong trust anchor for it
	freshZone  = "fresh.dev" // for the tests that publish names
)

const (
	zoneTTL     = 300 // seconds, of every record
	negativeTTL = 60  // seconds
)

var zoneText = testbed.SOA("300", "60") + `
@       MX    10 mail
@       MX    20 mail2
@       TXT   "v=spf1 -all"
@       CAA   0 issue "ca.example"
www     A     192.0.2.1
www     A     192.0.2.2
www     AAAA  2001:db8::1
www     HTTPS 1 . alpn=h2,h3 ipv4hint=192.0.2.1
svc     SVCB  1 www alpn=h2 port=8443
mail    A     192.0.2.25
mail    AAAA  2001:db8::25
mail2   A     192.0.2.26
four    A     192.0.2.4
six     AAAA  2001:db8::6
MiXed   A     192.0.2.7
alias   CNAME www
one     CNAME two
two     CNAME three
three   CNAME www
dead    CNAME missing
dead2   CNAME dead
nodata  CNAME txt
typed   TYPE65400 \# 4 c0000201
x.ent   A     192.0.2.8
_sip._tcp SRV 1 2 5060 www
*.wild  A     192.0.2.9
*.wild  TXT   "wild"
*.wild  MX    10 mail
*.wildalias CNAME www
old     DNAME wild
txt     TXT   "small"
txt700  TXT   ` + txt(700) + `
txt1300 TXT   ` + txt(1300) + `
txt4000 TXT   ` + txt(4000) + `
` + many() + `
child     NS  ns.child
ns.child  A   192.0.2.54
withds    NS  ns.withds
withds    DS  12345 13 2 3A5B8F1C9D7E6F50413223140596877869A0B1C2D3E4F5061728394A5B6C7D8E
ns.withds A   192.0.2.55
`

var childText = testbed.SOA("300", "60") + `
www A     192.0.2.10
up  CNAME www
`

// many is an RRset of 40 addresses: over 512 bytes, under 1232.
func many() string {
	var b strings.Builder
	for i := range 40 {
		fmt.Fprintf(&b, "many A 198.51.100.%d\n", i+1)
	}
	return b.String()
}

// txt is the rdata of a TXT record with n bytes of text.
func txt(n int) string {
	var b strings.Builder
	for ; n > 0; n -= 100 {
		b.WriteString(`"` + strings.Repeat("t", min(n, 100)) + `" `)
	}
	return b.String()
}
