#!/bin/sh
# Has the programs of a CI job look names up through a notyet beside it. It is for Linux, and needs root or sudo only for
# port 53 and /etc/resolv.conf: with sudo, setpriv of util-linux too.
#
#   sidecar.sh start          start notyet, lease the names, and have the job's programs ask it
#   sidecar.sh stop           undo that, and print in Markdown what was rescued
#   sidecar.sh run COMMAND... do both around a command, and end with its exit code
#   sidecar.sh point HOST     have the job's programs ask a notyet at port 53 of another host, until stop
#
# What may be set in the environment; what is empty has its default:
#
#   NOTYET_BINARY       the program (notyet, from the PATH)
#   NOTYET_NAMES        the names to lease, with blanks between them (none)
#   NOTYET_FOR          how long the leases are (1h)
#   NOTYET_HOLD         how long the first query for a name that is missing waits for it (4s)
#   NOTYET_UPSTREAMS    the servers to forward to, with blanks between them (those of the machine)
#   NOTYET_LISTEN       where to answer (127.0.0.1:53; if resolv.conf is left alone, 127.0.0.1:1053)
#   NOTYET_RESOLV_CONF  false: leave /etc/resolv.conf alone (true)
#   NOTYET_FLAGS        more flags of "notyet serve", with blanks between them (none)
#   NOTYET_ADMIN        where to have the API, for such as "notyet watch add" (a socket in NOTYET_DIR)
#   NOTYET_DIR          a directory to make, for as long as notyet runs (notyet in RUNNER_TEMP, or else in TMPDIR, or else in /tmp)
set -euf

fail() {
	echo "sidecar.sh: $*" >&2
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
	if [ "$resolv_conf" = true ] && [ "$port" != 53 ]; then
		fail "NOTYET_LISTEN $listen: resolv.conf can name an address with port 53 only; or set NOTYET_RESOLV_CONF=false"
	fi
	if "$binary" check --live --admin "$admin" >/dev/null 2>&1; then
		fail "a notyet runs at $admin: stop it, or set NOTYET_ADMIN to another address"
	fi
	make_dir
	trap abort EXIT
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
	trap - EXIT
	tell
}

# make_dir also keeps a second start out, which would take our resolv.conf for the machine's.
make_dir() {
	mkdir -m 700 "$dir" || fail "$dir can't be made: run \"$0 stop\" first if it is from an earlier start, or set NOTYET_DIR"
}

# abort ends a start that failed.
abort() {
	code=$?
	trap - EXIT
	if [ -s "$dir/log" ]; then
		cat "$dir/log" >&2
	fi
	(restore) || :
	end
	rm -rf "$dir"
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
		"$@" || code=$?
		echo "$code" >"$dir/ended"
	} >"$dir/log" 2>&1 </dev/null &
}

# uplinks prints the servers that systemd-resolved forwards to, if that is what the machine's programs ask. It reads a
# resolv.conf that it did not write, and would ask us what we ask it.
uplinks() {
	if [ "$resolv_conf" = true ] && [ -r /run/systemd/resolve/resolv.conf ] &&
		grep -Eq '^nameserver[[:blank:]]+127\.0\.0\.5[34]' /etc/resolv.conf; then
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
		if [ -e "$dir/ended" ]; then
			fail "notyet did not start; it wrote:"
		fi
		tries=$((tries - 1))
		if [ "$tries" -eq 0 ]; then
			fail "$why"
		fi
		pause
	done
}

# point has programs ask the server at $1. The search list and the options stay. No server but this one is named: some
# programs ask all of them at once, and the others would be taught a "no" that comes too early.
point() {
	case $1 in
	*:*) server=$1 ;;
	*[!0-9.]*) server=$(getent hosts "$1" | awk '{ print $1; exit }') ;;
	*) server=$1 ;;
	esac
	if [ -z "$server" ]; then
		fail "$1 has no address"
	fi
	{
		echo "nameserver $server"
		grep -E '^[[:blank:]]*(search|domain|options)[[:blank:]]' /etc/resolv.conf || :
	} >"$dir/resolv.conf"
	chmod 644 "$dir/resolv.conf"
	if [ -L /etc/resolv.conf ]; then # what it points to is another program's
		readlink /etc/resolv.conf >"$dir/link"
		as_root cp "$dir/resolv.conf" /etc/resolv.conf.notyet
		as_root mv -f /etc/resolv.conf.notyet /etc/resolv.conf
	else # in place, because a container's is a mount
		cp /etc/resolv.conf "$dir/original"
		as_root cp "$dir/resolv.conf" /etc/resolv.conf
	fi
}

# restore leaves a resolv.conf alone that somebody else has written since.
restore() {
	if [ "$(cat "$dir/resolv.conf" 2>/dev/null)" != "$(cat /etc/resolv.conf)" ]; then
		return
	fi
	if [ -e "$dir/link" ]; then
		as_root ln -s "$(cat "$dir/link")" /etc/resolv.conf.notyet
		as_root mv -f /etc/resolv.conf.notyet /etc/resolv.conf
	elif [ -e "$dir/original" ]; then
		as_root cp "$dir/original" /etc/resolv.conf
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
	if [ ! -d "$dir" ]; then
		echo "sidecar.sh: nothing was started: there is no $dir" >&2
		return
	fi
	restore
	if [ -e "$dir/log" ]; then
		binary=$(cat "$dir/binary")
		admin=$(cat "$dir/admin")
		missing=$("$binary" watch list --admin "$admin" 2>/dev/null | awk '$1 == "PENDING" { found = 1 } found' || :)
		end
		summary | tee -a "${GITHUB_STEP_SUMMARY:-/dev/null}"
	fi
	rm -rf "$dir"
}

# end has notyet answer what is under way, and then waits until it has ended.
end() {
	tries=100
	while running; do
		case $tries in
		100) kill "$pid" ;;
		0) kill -9 "$pid" ;;
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
	"$@"
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
admin=${NOTYET_ADMIN:-unix://$dir/admin.sock}
resolv_conf=${NOTYET_RESOLV_CONF:-true}
case $resolv_conf in
true) listen=${NOTYET_LISTEN:-127.0.0.1:53} ;;
false) listen=${NOTYET_LISTEN:-127.0.0.1:1053} ;;
*) fail "NOTYET_RESOLV_CONF $resolv_conf: write true or false" ;;
esac
port=${listen##*:}
address=${listen%:*}
address=${address#[}
address=${address%]}

trap 'exit 130' INT
trap 'exit 143' TERM

case "${1:-} $#" in
"start 1" | "stop 1") "$1" ;;
"point 2")
	make_dir
	trap abort EXIT
	point "$2"
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
