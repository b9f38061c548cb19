#!/bin/sh
# Has the programs of a CI job look names up through a notyet beside it. It is for Linux, and needs root or sudo only for
# port 53 and /etc/resolv.conf: with sudo, setpriv of util-linux too.
#
#   sidecar.sh start          start notyet, lease the names, and have the job's programs ask it
#   sidecar.sh stop           undo that, and print in Markdown what was rescued
#   sidecar.sh run COMMAND... do both around a command, and end with its exit code
#   sidecar.sh point HOST     have the job's programs ask a notyet at port 53 of another host, by its name or address, until stop
#
# What may be set in the environment; what is empty has its default:
#
#   NOTYET_BINARY       the program (notyet, from the PATH)
#   NOTYET_NAMES        the names to lease, with blanks between them (none)
#   NOTYET_FOR          how long the leases are (1h)
#   NOTYET_HOLD         how long the first query for each type of a name that is missing waits for it (4s)
#   NOTYET_UPSTREAMS    the servers to forward to, with blanks between them (those of the machine)
#   NOTYET_LISTEN       where to answer (127.0.0.1:53; if resolv.conf is left alone, 127.0.0.1:1053)
#   NOTYET_RESOLV_CONF  false: leave /etc/resolv.conf alone (true)
#   NOTYET_FLAGS        more flags of "notyet serve", with blanks between them (none)
#   NOTYET_ADMIN        where to have the API, for such as "notyet watch add" (a socket in NOTYET_DIR)
#   NOTYET_DIR          a directory to make, for as long as notyet runs (notyet in RUNNER_TEMP, or else in TMPDIR, or else in /tmp);
#                       one that is there is left alone
set -euf

note() {
	printf 'sidecar.sh: %s\n' "$*" >&2
}

fail() {
	note "$@"
	exit 1
}

# as_root runs a command that changes the machine.
as_root() {
	if [ "$(id -u)" -eq 0 ]; then
		"$@"
	elif ! sudo -n "$@"; then
		fail "/etc/resolv.conf can't be changed: run this as root or with sudo, or set NOTYET_RESOLV_CONF=false"
	fi
}

pause() {
	sleep 0.1 2>/dev/null || sleep 1 # not every sleep takes fractions
}

start() {
	path=$(command -v "$binary") || fail "there is no program $binary: name one in NOTYET_BINARY"
	binary=$(cd "$(dirname "$path")" && pwd)/$(basename "$path")
	check_listen
	make_dir
	trap abort EXIT
	if "$binary" check --live --admin "$admin" >/dev/null 2>&1; then
		fail "a notyet runs at $admin: stop it, or set NOTYET_ADMIN to another address"
	fi
	printf '%s\n' "$binary" >"$dir/binary"
	printf '%s\n' "$admin" >"$dir/admin"
	launch
	await
	for name in $names; do
		"$binary" watch add "$name" --for "$lease" --hold "$hold" --admin "$admin"
	done
	if [ "$resolv_conf" = true ]; then
		point "$address"
	fi
	tell
	trap - EXIT
}

check_listen() {
	alone=${listen#[}
	alone=${alone%]}
	if is_address "$alone"; then
		case $alone in
		*:*) alone=[$alone] ;;
		esac
		fail "NOTYET_LISTEN $listen: name the port too: $alone:${usual##*:}"
	fi
	case $port in
	"" | *[!0-9]*) address= ;;
	esac
	is_address "$address" || fail "NOTYET_LISTEN $listen: write an IP address and a port, such as $usual"
	if [ "$resolv_conf" = true ] && [ "$port" != 53 ]; then
		fail "NOTYET_LISTEN $listen: resolv.conf can name an address with port 53 only; or set NOTYET_RESOLV_CONF=false"
	fi
}

# is_address tells whether $1 is an IPv4 or IPv6 address, and nothing else.
is_address() {
	text=$1 awk '
		function four(s,   part, n, i) {
			n = split(s, part, ".")
			for (i = 1; i <= n; i++)
				if (part[i] !~ /^(0|[1-9][0-9]?[0-9]?)$/ || part[i] + 0 > 255)
					return 0
			return n == 4
		}
		function groups(s,   part, n, i) {
			n = split(s, part, ":")
			for (i = 1; i <= n; i++)
				if (part[i] !~ /^[0-9A-Fa-f][0-9A-Fa-f]?[0-9A-Fa-f]?[0-9A-Fa-f]?$/)
					return 9
			return n
		}
		function six(s,   gap) {
			sub(/%[-0-9A-Za-z._]+$/, "", s)
			if (match(s, /:[0-9]+[.][0-9.]+$/)) {
				if (!four(substr(s, RSTART + 1)))
					return 0
				s = substr(s, 1, RSTART) "0:0"
			}
			gap = index(s, "::")
			if (!gap)
				return groups(s) == 8
			return groups(substr(s, 1, gap - 1)) + groups(substr(s, gap + 2)) <= 7
		}
		BEGIN { exit !(four(ENVIRON["text"]) || six(ENVIRON["text"])) }
	'
}

# make_dir also keeps a second start out, which would take our resolv.conf for the machine's.
make_dir() {
	if there; then
		wants_own
		if [ -f "$dir/$mark" ]; then
			fail "$dir is from an earlier start: run \"$0 stop\" first, or set NOTYET_DIR"
		fi
		fail "$dir exists and is not notyet's: set NOTYET_DIR to a directory that is not there yet"
	fi
	(umask 077 && mkdir -m 700 "$dir") || fail "$dir can't be made: set NOTYET_DIR to one that can"
	wants_own # not every file system takes a mode
	: >"$dir/$mark"
}

there() {
	[ -e "$dir" ] || [ -L "$dir" ]
}

# wants_own comes before anything in the directory is read. It has a name that others can guess, in a place where they can
# make it first.
wants_own() {
	IFS=' ' read -r mode _ owner _ <<-EOF
		$(ls -ldn "$dir")
	EOF
	case $mode in
	d????-??-*) [ "$owner" = "$(id -u)" ] || refuse "belongs to another user" ;;
	d*) refuse "can be written to by other users" ;;
	l*) refuse "is a symbolic link" ;;
	*) refuse "is not a directory" ;;
	esac
}

refuse() {
	fail "$dir $1, so nothing in it is read or changed: set NOTYET_DIR to another, or be the user who started notyet there"
}

# remove leaves what is not ours.
remove() {
	for name in admin.sock binary admin pid ended log resolv.conf link original none "$mark"; do
		rm -f "$dir/$name"
	done
	rmdir "$dir" || note "$dir stays: the files in it are not notyet's"
}

# abort ends a start that failed.
abort() {
	code=$?
	trap - EXIT
	trap '' HUP INT PIPE TERM
	if [ -s "$dir/log" ]; then
		cat "$dir/log" >&2
	fi
	if (restore); then
		end
		remove
	fi
	exit "$code"
}

launch() {
	set -- serve --listen "$listen" --admin "$admin" --log-format text
	if [ -z "$upstreams" ]; then
		upstreams=$(uplinks)
	fi
	for upstream in $upstreams; do
		set -- "$@" --upstream "$upstream"
	done
	for flag in $flags; do
		set -- "$@" "$flag"
	done
	# shellcheck disable=SC2016 # the inner shell is to expand these
	set -- sh -c 'echo $$ >"$0" && exec "$@"' "$dir/pid" "$binary" "$@"
	if ! may_bind; then
		set -- sudo -n setpriv --reuid "$(id -u)" --regid "$(id -g)" --init-groups \
			--inh-caps +net_bind_service --ambient-caps +net_bind_service "$@"
	fi
	{
		code=0
		"$@" 3>&- || code=$?
		echo "$code" >&3
	} >"$dir/log" 2>&1 </dev/null 3>"$dir/ended" &
}

# uplinks prints the servers that systemd-resolved forwards to, if that is what the machine's programs ask. It reads a
# resolv.conf that it did not write, and would ask us what we ask it.
uplinks() {
	if [ "$resolv_conf" = true ] && [ -r /run/systemd/resolve/resolv.conf ] &&
		grep -Eqs '^nameserver[[:blank:]]+127\.0\.0\.5[34]' /etc/resolv.conf; then
		awk '$1 == "nameserver" && $2 !~ /%/ { print $2 }' /run/systemd/resolve/resolv.conf
	fi
}

may_bind() {
	first=$(cat /proc/sys/net/ipv4/ip_unprivileged_port_start 2>/dev/null || echo 1024)
	[ "$port" -ge "$first" ] || [ "$(id -u)" -eq 0 ]
}

await() {
	tries=100
	until why=$("$binary" check --live --admin "$admin" 2>&1); do
		if [ -s "$dir/ended" ]; then
			fail "notyet did not start$(remedy); it wrote:"
		fi
		tries=$((tries - 1))
		if [ "$tries" -eq 0 ]; then
			fail "$why"
		fi
		pause
	done
}

# remedy is for what serve can't know: that this script ran it.
remedy() {
	if [ ! -e "$dir/pid" ]; then
		echo ", because port $port takes rights of root: run this as root or with sudo, or set NOTYET_RESOLV_CONF=false and a port from $first"
	elif grep -q 'upstreams "system"' "$dir/log"; then
		echo ", because it has nobody to forward to: name a server in NOTYET_UPSTREAMS"
	fi
}

# address_of prints the address of a host. That of IPv4 comes first: the services of a job often have no other.
address_of() {
	if is_address "$1"; then
		echo "$1"
		return
	fi
	case $1 in
	"" | [-.]* | *[!-0-9A-Za-z._]*) name=false ;;
	*[!0-9.]*) name=true ;;
	*) name=false ;;
	esac
	if [ "$name" = false ]; then
		fail "point $1: write an IPv4 or IPv6 address or the name of a host, and no more: it is asked at port 53"
	fi
	command -v getent >/dev/null || fail "point $1: there is no getent to look that up: write an address"
	for database in ahostsv4 hosts; do
		found=$(getent "$database" "$1" 2>/dev/null | awk '{ print $1; exit }')
		if is_address "$found"; then
			echo "$found"
			return
		fi
	done
	fail "$1 has no address"
}

# point has programs ask the server at the address $1. The search list and the options stay. No server but this one is named:
# some programs ask all of them at once, and the others would be taught a "no" that comes too early.
point() {
	if [ -L /etc/resolv.conf ]; then
		readlink /etc/resolv.conf >"$dir/link"
	elif [ -e /etc/resolv.conf ]; then
		cp /etc/resolv.conf "$dir/original"
	else
		: >"$dir/none"
	fi
	{
		echo "nameserver $1"
		grep -Es '^[[:blank:]]*(search|domain|options)[[:blank:]]' /etc/resolv.conf || :
	} >"$dir/resolv.conf"
	chmod 644 "$dir/resolv.conf"
	put "$dir/resolv.conf"
}

# put makes a file resolv.conf: in place, because a container's is a mount. What a link points to is another program's.
put() {
	if [ -L /etc/resolv.conf ]; then
		as_root cp "$1" /etc/resolv.conf.notyet && as_root chmod 644 /etc/resolv.conf.notyet && as_root mv -f /etc/resolv.conf.notyet /etc/resolv.conf
	else
		as_root cp "$1" /etc/resolv.conf
	fi
}

# restore leaves a resolv.conf alone that somebody else has written since, if it no longer names our server.
restore() {
	if [ ! -s "$dir/resolv.conf" ] || as_before; then
		return 0
	fi
	if names_ours; then
		if [ "$(cat "$dir/resolv.conf")" != "$(cat /etc/resolv.conf)" ]; then
			note "/etc/resolv.conf was changed while it named notyet. What was there before notyet is put back, and these lines are lost:"
			grep -vxF -f "$dir/resolv.conf" /etc/resolv.conf >&2 || :
		fi
	elif [ -s /etc/resolv.conf ] || [ -L /etc/resolv.conf ]; then
		note "/etc/resolv.conf is left alone: it names notyet no more"
		return 0
	fi
	(put_back) || fail "/etc/resolv.conf can't be put back, so notyet runs on. What was there is kept: $(kept). Run \"$0 stop\" again when it can be written"
}

as_before() {
	if [ -e "$dir/link" ]; then
		[ -L /etc/resolv.conf ] && [ "$(readlink /etc/resolv.conf)" = "$(cat "$dir/link")" ]
	elif [ -e "$dir/none" ]; then
		[ ! -e /etc/resolv.conf ]
	else
		[ -e /etc/resolv.conf ] && [ ! -L /etc/resolv.conf ] && [ "$(cat "$dir/original")" = "$(cat /etc/resolv.conf)" ]
	fi
}

names_ours() {
	[ -e /etc/resolv.conf ] && awk '
		FILENAME == ARGV[1] && $1 == "nameserver" { ours = $2 }
		FILENAME == ARGV[2] && $1 == "nameserver" && $2 == ours { found = 1 }
		END { exit !found }
	' "$dir/resolv.conf" /etc/resolv.conf
}

put_back() {
	if [ -e "$dir/link" ]; then
		as_root ln -sf "$(cat "$dir/link")" /etc/resolv.conf.notyet && as_root mv -f /etc/resolv.conf.notyet /etc/resolv.conf
	elif [ -e "$dir/none" ]; then
		as_root rm -f /etc/resolv.conf
	else
		put "$dir/original"
	fi
}

kept() {
	if [ -e "$dir/link" ]; then
		echo "a link to what $dir/link says"
	elif [ -e "$dir/none" ]; then
		echo "there was none"
	else
		echo "$dir/original"
	fi
}

# tell says where notyet is; on GitHub to the later steps too.
tell() {
	echo "notyet answers at $listen; its log is $dir/log; its commands find it with NOTYET_ADMIN=$admin"
	if [ -n "${GITHUB_ENV:-}" ]; then
		printf '%s\n' "NOTYET_DIR=$dir" "NOTYET_ADMIN=$admin" >>"$GITHUB_ENV"
		printf '%s\n' "address=$listen" "admin=$admin" "log=$dir/log" >>"$GITHUB_OUTPUT"
		dirname "$binary" >>"$GITHUB_PATH"
	fi
}

stop() {
	if ! there; then
		note "nothing was started: there is no $dir"
		return
	fi
	wants_own
	if [ ! -f "$dir/$mark" ]; then
		fail "$dir is not notyet's, so nothing in it is read or changed: set NOTYET_DIR as at the start"
	fi
	(restore) || exit 1
	if [ -e "$dir/log" ]; then
		binary=$(cat "$dir/binary")
		admin=$(cat "$dir/admin")
		missing=$("$binary" watch list --admin "$admin" 2>/dev/null | awk '$1 == "PENDING" { found = 1 } found' || :)
		end
		summary | tee -a "${GITHUB_STEP_SUMMARY:-/dev/null}" || : # it said why, and the directory is to go all the same
	fi
	remove
}

# end has notyet answer what is under way, and then waits until it has ended.
end() {
	tries=100
	while running; do
		case $tries in
		100) kill "$pid" 2>/dev/null || : ;; # it may have ended just now
		0) kill -9 "$pid" 2>/dev/null || : ;;
		esac
		tries=$((tries - 1))
		pause
	done
}

# running tells whether the process still is the one that was started, and not a later one with its number.
running() {
	pid=$(cat "$dir/pid" 2>/dev/null) &&
		tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline" | grep -qF -- " --admin $admin "
}

summary() {
	echo "### notyet"
	echo
	awk '
		function value(key,   i, text) {
			for (i = 1; i <= NF; i++)
				if (index($i, key "=") == 1) {
					text = substr($i, length(key) + 2)
					gsub(/[^-A-Za-z0-9._*]/, "", text) # nothing that means something in Markdown
					sub(/[.]$/, "", text)
					return text
				}
		}
		/ msg=rescued / {
			if (++rescued == 1) {
				print "Asked for before they were there, and rescued from a cached \"no\":\n"
				print "| name | type | there after | \"no\" avoided for |"
				print "| --- | --- | ---: | ---: |"
			}
			if (rescued <= 100)
				printf "| %s | %s | %s | %s |\n", value("qname"), value("qtype"), value("took"), value("avoided")
		}
		END {
			if (!rescued)
				print "There was nothing to rescue."
			if (rescued > 100)
				printf "\nand %d more\n", rescued - 100
		}
	' "$dir/log"
	if [ -n "$missing" ]; then
		printf '\nStill missing:\n\n~~~\n%s\n~~~\n' "$missing"
	fi
	# That it is itself in resolv.conf is what we did.
	warnings=$(grep -E ' level=(WARN|ERROR) ' "$dir/log" | grep -Fv 'msg="name servers of the system' | tail -n 20 || :)
	if [ -n "$warnings" ]; then
		printf '\nThe log has warnings:\n\n~~~\n%s\n~~~\n' "$warnings"
	fi
}

run() {
	start >&2
	trap 'stop >&2' EXIT
	export NOTYET_ADMIN="$admin"
	code=0
	"$@" || code=$?
	leave "$code"
}

# leave ends with the exit code $1. A signal is not to break off what is undone then: a terminal that closes sends two.
leave() {
	trap '' HUP INT PIPE TERM
	exit "$1"
}

if [ "$(uname -s)" != Linux ]; then
	fail "this is for Linux"
fi
binary=${NOTYET_BINARY:-notyet}
names=${NOTYET_NAMES:-}
lease=${NOTYET_FOR:-1h}
hold=${NOTYET_HOLD:-4s}
upstreams=${NOTYET_UPSTREAMS:-}
flags=${NOTYET_FLAGS:-}
dir=${NOTYET_DIR:-${RUNNER_TEMP:-${TMPDIR:-/tmp}}/notyet}
case $dir in
/*) ;;
*) dir=$(pwd)/$dir ;;
esac
while [ "$dir" != "${dir%/}" ]; do # of a link, a name with / would be what it points to
	dir=${dir%/}
done
mark=made-by-sidecar.sh
admin=${NOTYET_ADMIN:-unix://$dir/admin.sock}
resolv_conf=${NOTYET_RESOLV_CONF:-true}
case $resolv_conf in
true) usual=127.0.0.1:53 ;;
false) usual=127.0.0.1:1053 ;;
*) fail "NOTYET_RESOLV_CONF $resolv_conf: write true or false" ;;
esac
listen=${NOTYET_LISTEN:-$usual}
port=${listen##*:}
address=${listen%:*}
address=${address#[}
address=${address%]}

trap 'leave 129' HUP
trap 'leave 130' INT
trap 'leave 141' PIPE
trap 'leave 143' TERM

case "${1:-} $#" in
"start 1" | "stop 1") "$1" ;;
"point 2")
	server=$(address_of "$2")
	make_dir
	trap abort EXIT
	point "$server"
	trap - EXIT
	;;
"run 1") fail "run: name the command" ;;
"run "*)
	shift
	run "$@"
	;;
*)
	echo "usage: sidecar.sh start | stop | run COMMAND... | point HOST" >&2
	exit 2
	;;
esac
