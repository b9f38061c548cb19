//go:build linux

package main

import (
	"fmt"
	"path/filepath"
)

// forwarders are those that notyet is compared with.
func forwarders() []peer {
	return []peer{
		{
			name: "unbound", binary: "unbound", version: "-V",
			config: unboundConfig,
			args:   func(_ setting, file string) []string { return []string{"-d", "-c", file} },
		},
		{
			name: "dnsdist", binary: "dnsdist", version: "--version",
			config: dnsdistConfig,
			args:   func(_ setting, file string) []string { return []string{"--supervised", "--disable-syslog", "-C", file} },
		},
		{
			name: "recursor", binary: "pdns_recursor", version: "--version",
			config: recursorConfig,
			args:   func(_ setting, file string) []string { return []string{"--config-dir=" + filepath.Dir(file)} }, // recursor.conf
		},
		{
			name: "bind", binary: "named", version: "-V",
			config: bindConfig,
			args:   func(_ setting, file string) []string { return []string{"-f", "-n", "1", "-c", file} },
		},
		{
			name: "kresd", binary: "kresd", version: "--version",
			config: kresdConfig,
			args:   func(s setting, file string) []string { return []string{"-n", "-c", file, s.dir} },
		},
		{
			name: "dnsmasq", binary: "dnsmasq", version: "--version",
			config: dnsmasqConfig,
			args:   func(_ setting, file string) []string { return []string{"-k", "-C", file} },
			without: map[string]string{
				"tcp": "it answers every connection in a process of its own, whose CPU time is lost with it",
			},
		},
		{
			name: "coredns", binary: "coredns", version: "-version",
			config: corednsConfig,
			args:   func(_ setting, file string) []string { return []string{"-conf", file} },
		},
	}
}

func unboundConfig(s setting) string {
	return fmt.Sprintf(`server:
  interface: %s
  port: %d
  num-threads: 1
  incoming-num-tcp: 100
  msg-cache-size: %[6]d
  rrset-cache-size: %[6]d
  module-config: "iterator"
  access-control: 127.0.0.0/8 allow
  do-not-query-localhost: no
  username: ""
  chroot: ""
  directory: "%[3]s"
  pidfile: "%[3]s/pid"
  use-syslog: no
remote-control:
  control-enable: no
forward-zone:
  name: "."
  forward-addr: %[4]s@%[5]d
`, s.at.Addr(), s.at.Port(), s.dir, s.upstream.Addr(), s.upstream.Port(), s.room())
}

// dnsdistConfig sends misses over four sockets; most others take a random port for each.
func dnsdistConfig(s setting) string {
	return fmt.Sprintf(`setLocal(%q)
setACL({"127.0.0.0/8"})
setSecurityPollSuffix("")
setMaxTCPClientThreads(1)
newServer({address=%q, sockets=4, checkName=%q})
getPool(""):setCache(newPacketCache(%d))
`, s.at, s.upstream, zone, max(200_000, 2*s.entries)) // twice, as its shards do not fill evenly
}

func recursorConfig(s setting) string {
	return fmt.Sprintf(`local-address=%s
local-port=%d
forward-zones-recurse=.=%s
dont-query=
allow-from=127.0.0.0/8
dnssec=off
threads=1
pdns-distributes-queries=no
max-cache-entries=%[5]d
max-packetcache-entries=%[5]d
max-tcp-per-client=0
security-poll-suffix=
daemon=no
disable-syslog=yes
loglevel=3
write-pid=no
socket-dir=%[4]s
`, s.at.Addr(), s.at.Port(), s.upstream, s.dir, max(200_000, 2*s.entries))
}

func bindConfig(s setting) string {
	return fmt.Sprintf(`options {
	directory "%s";
	listen-on port %d { %s; };
	listen-on-v6 { none; };
	pid-file none;
	lock-file none;
	session-keyfile none;
	allow-query { 127.0.0.0/8; };
	recursion yes;
	forward only;
	forwarders { %s port %d; };
	dnssec-validation no;
	minimal-responses yes;
	empty-zones-enable no;
	recursive-clients 10000;
	max-cache-size %d;
};
controls {};
logging { category default { null; }; };
`, s.dir, s.at.Port(), s.at.Addr(), s.upstream.Addr(), s.upstream.Port(), 2*s.room()) // twice: it cleans up at seven eighths
}

// kresdConfig lengthens TTLs to those of the records: what a stub asked for is otherwise kept for 5 s.
func kresdConfig(s setting) string {
	return fmt.Sprintf(`net.listen('%s', %d, { kind = 'dns' })
cache.open(%d, 'lmdb://%s/cache')
cache.min_ttl(3600)
trust_anchors.remove('.')
modules.unload('ta_signal_query')
modules.unload('ta_sentinel')
modules.unload('priming')
modules.unload('detect_time_skew')
modules.unload('detect_time_jump')
policy.add(policy.all(policy.STUB('%s@%d')))
`, s.at.Addr(), s.at.Port(), s.room(), s.dir, s.upstream.Addr(), s.upstream.Port())
}

func dnsmasqConfig(s setting) string {
	return fmt.Sprintf(`listen-address=%s
port=%d
bind-interfaces
no-resolv
no-hosts
server=%s#%d
cache-size=%d
dns-forward-max=1000
user=root
pid-file=%s/pid
log-facility=-
`, s.at.Addr(), s.at.Port(), s.upstream.Addr(), s.upstream.Port(), max(200_000, s.entries+1000), s.dir)
}

func corednsConfig(s setting) string {
	return fmt.Sprintf(`.:%d {
	bind %s
	forward . %s
	cache 3600 {
		success %[4]d
		denial %[4]d
	}
}
`, s.at.Port(), s.at.Addr(), s.upstream, max(200_000, 2*s.entries))
}

func forwarderNames() []string {
	var names []string
	for _, p := range forwarders() {
		names = append(names, p.name)
	}
	return names
}
