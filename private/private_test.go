package private

import (
	"net/netip"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var server = netip.MustParseAddr("127.0.53.1")

func TestResolvConfHasOneNameServerAndKeepsTheRest(t *testing.T) {
	t.Parallel()
	const head = "# of notyet run: the name server is its own, the rest is the machine's\nnameserver 127.0.53.1\n"
	for _, tt := range []struct{ name, machine, want string }{
		{"empty", "", ""},
		{"one", "nameserver 192.0.2.1\n", ""},
		{"three, in two families", "nameserver 192.0.2.1\nnameserver\t2001:db8::1\nnameserver 192.0.2.2\n", ""},
		{
			"search and options",
			"# by hand\nsearch example.net example.com\nnameserver 192.0.2.1\noptions ndots:5 edns0 trust-ad\n",
			"# by hand\nsearch example.net example.com\noptions ndots:5 edns0 trust-ad\n",
		},
		{"systemd-resolved", "nameserver 127.0.0.53\noptions edns0 trust-ad\nsearch .\n", "options edns0 trust-ad\nsearch .\n"},
		{"no newline at the end", "nameserver 192.0.2.1\nsortlist 192.0.2.0", "sortlist 192.0.2.0\n"},
		{"commented out", "#nameserver 192.0.2.1\n", "#nameserver 192.0.2.1\n"},
		{"another run's", ResolvConf("search example.net\n", netip.MustParseAddr("127.0.53.9")), "search example.net\n"},
	} {
		if got := ResolvConf(tt.machine, server); got != head+tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, head+tt.want)
		}
	}
}

func TestNSSwitchAsksNameServersInsteadOfResolve(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, machine, want string }{
		{"Debian", "passwd:         files systemd\nhosts:          files dns\n", "passwd:         files systemd\nhosts:          files dns\n"},
		{"Fedora", "hosts:      files myhostname resolve [!UNAVAIL=return] dns\n", "hosts: files myhostname dns\n"},
		{
			"Arch", "hosts: mymachines resolve [!UNAVAIL=return] files myhostname dns\nnetworks: files\n",
			"hosts: mymachines files myhostname dns\nnetworks: files\n",
		},
		{"resolve alone", "hosts: files resolve", "hosts: files dns\n"},
		{"several actions", "hosts: resolve [!UNAVAIL=return] [NOTFOUND=continue] files dns\n", "hosts: files dns\n"},
		{"spaces in brackets, none around", "hosts: resolve[ !UNAVAIL=return SUCCESS=merge ]files dns\n", "hosts: files dns\n"},
		{
			"actions of others", "hosts: files mdns4_minimal [NOTFOUND=return] resolve [!UNAVAIL=return] dns [SUCCESS=return] wins\n",
			"hosts: files mdns4_minimal [NOTFOUND=return] dns [SUCCESS=return] wins\n",
		},
		{"comment", "hosts: resolve dns # resolve first\n", "hosts: dns # resolve first\n"},
		{"commented out", "# hosts: resolve dns\n", "# hosts: resolve dns\n"},
		{"another database", "passwd: resolve\n", "passwd: resolve\n"},
		{"blanks", "  hosts :\tresolve\tfiles\n", "  hosts : dns files\n"},
		{"empty", "", ""},
	} {
		if got := NSSwitch(tt.machine); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}
