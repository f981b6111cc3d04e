#!/bin/bash
# lab: start, stop, kill and look at nodes on one machine. See lab(1).
set -uo pipefail
shopt -s nullglob
usage() {
	local start='start [-n nodes] [-p port] [-d dir] [-a host] [-x prefix] [-c key=value]...'
	echo "lab: usage: lab $start | stop | pids | status [-d dir]" \
		'| kill | pause | resume [-d dir] NODE [PROGRAM] | up [-d dir] NODE' >&2
	exit 100
}
die() { # die CODE TEXT
	echo "lab: fatal: $2" >&2
	exit "$1"
}
PATH=$(dirname "$(readlink -f "$0")"):$PATH
serve_within=60

# --- one node ---
running() { s6-svscanctl -z "$dir/$1/run/s6" 2>/dev/null; }
signal() { # signal NAME NODE [PROGRAM]; sets $pids
	mapfile -t pids < <("$dir/$2/svc/pids" "$dir/$2" |
		awk -F'\t' -v program="${3:-}" 'program == "" || $1 == program { print $2 }')
	[ ${#pids[@]} -gt 0 ] || die 1 "node $2 has no such process"
	kill "-$1" "${pids[@]}"
}
reaped() { # until the parents know that $pids are dead, so that lab up does not take them for alive
	local pid deadline=$((SECONDS + 5))
	for pid in "${pids[@]}"; do
		while kill -0 "$pid" 2>/dev/null && [ $SECONDS -lt $deadline ]; do sleep 0.002; done
	done
}
vacant() { # nobody else listens where node $1 will: SO_REUSEPORT would share the port with him
	local listener listeners host
	IFS=, read -ra listeners <"$dir/$1/env/listeners"
	for listener in "${listeners[@]}"; do
		listener=${listener#*://}
		host=${listener%:*} host=${host#[} host=${host%]}
		! (: <>"/dev/tcp/${host:-127.0.0.1}/${listener##*:}") 2>/dev/null ||
			[ -n "$("$dir/$1/svc/pids" "$dir/$1")" ] || # orphans of its own, which the start ends
			die 111 "$listener: another program listens there"
	done
}
launch() {
	local chain=()
	[ ! -s "$dir/prefix" ] || read -ra chain <"$dir/prefix"
	[ ${#chain[@]} != 0 ] || vacant "$1" # a prefix may give it a network of its own
	NODE=$1 setsid "${chain[@]}" "$dir/$1/svc/start" "$dir/$1" </dev/null \
		>"$dir/$1/logs/start" 2>&1 &
	starter=$!
}
await() { # until all services of node $1 say that they can serve; not when one of them stays down
	local service services deadline=$((SECONDS + serve_within))
	until running "$1" && s6-svok "$dir/$1/run/s6/gate" 2>/dev/null; do
		kill -0 "$starter" 2>/dev/null || die 111 "node $1: $(tail -n 1 "$dir/$1/logs/start")"
		sleep 0.005
	done
	services=("$dir/$1"/run/s6/*/)
	until "$dir/$1/svc/ready" 500 "${services[@]}" 2>/dev/null; do
		[ $SECONDS -lt $deadline ] || give_up "$1"
		running "$1" || die 111 "node $1 was ended while it started"
		for service in "${services[@]}"; do
			[ "$(s6-svstat -o up,wantedup "$service")" != 'false false' ] || give_up "$1"
		done
	done
}
give_up() {
	for service in "${services[@]}"; do
		[ "$(s6-svstat -o up,ready "$service")" = 'true true' ] ||
			tail -n 3 "$dir/$1/logs/$(basename "$service")/current" >&2
	done
	die 111 "node $1 does not serve; the words of its programs are in $dir/$1/logs"
}
ready() {
	local address
	await 1
	read -r address <"$dir/1/env/advertised.listeners"
	address=${address##*PLAINTEXT://}
	echo "ready ${address%%,*}"
}

# --- the commands ---
start() {
	local options=() setting
	[ -z "$host" ] || options+=(-a "${host//%d/1}")
	[ -z "$port" ] || options+=(-p "$port")
	for setting in "${settings[@]}"; do options+=(-c "$setting"); done
	mkdir -p "$dir" || exit 111
	if running 1; then
		[ ${#options[@]} = 0 ] || echo 'lab: warning: node 1 runs already, as it was set up' >&2
		starter=$$
	else
		if [ -d "$dir/1/env" ]; then
			mkbroker -u "${options[@]}" "$dir/1" || exit
		else
			mkbroker -c offsets.topic.replication.factor=1 -c transaction.state.log.min.isr=1 \
				-c transaction.state.log.replication.factor=1 "${options[@]}" "$dir/1" || exit
		fi
		printf '%s\n' "$prefix" >"$dir/prefix"
		launch 1
	fi
	ready
}
up() {
	local service
	starter=$$
	if running "$node"; then
		for service in "$dir/$node"/run/s6/*/; do s6-svc -u "$service"; done
	else
		launch "$node"
	fi
	ready
}
stop() {
	for node in "$dir"/*/env; do
		node=$(basename "${node%/env}")
		if running "$node"; then
			signal CONT "$node"
			"$dir/$node/svc/stop" "$dir/$node" || exit
		else
			"$dir/$node/svc/kill" "$dir/$node" # its supervisor was killed: so are they
		fi
	done
}
pids() {
	for node in "$dir"/*/env; do
		node=$(basename "${node%/env}")
		"$dir/$node/svc/pids" "$dir/$node" | sed "s/^/$node\t/"
	done
}
status() {
	for node in "$dir"/*/env; do
		node=$(basename "${node%/env}")
		running "$node" || { echo "$node	down"; continue; }
		for service in "$dir/$node"/run/s6/*/; do
			printf '%s\t%s\t%s\n' "$node" "$(basename "$service")" "$(s6-svstat "$service" 2>&1)"
		done
	done
}

command=${1:-}
[ $# -eq 0 ] || shift
dir=lab nodes=1 port='' host='' prefix='' settings=()
case $command in
start) letters=n:p:d:a:x:c: ;;
stop | pids | status | kill | up | pause | resume) letters=d: ;;
*) usage ;;
esac
while getopts ":$letters" option; do
	case $option in
	n) nodes=$OPTARG ;;
	p) port=$OPTARG ;;
	d) dir=$OPTARG ;;
	a) host=$OPTARG ;;
	x) prefix=$OPTARG ;;
	c) settings+=("$OPTARG") ;;
	*) usage ;;
	esac
done
shift $((OPTIND - 1))
node=${1:-} program=${2:-}
case $command in
kill | pause | resume) [ $# = 1 ] || [ $# = 2 ] || usage ;;
up) [ $# = 1 ] || usage ;;
*) [ $# = 0 ] || usage ;;
esac
[ "$nodes" = 1 ] || die 100 "-n $nodes: this version runs one node"
[ -z "$node" ] || [ -d "$dir/$node/env" ] || die 1 "no node $node in $dir"
case $command in
kill)
	if [ -n "$program" ]; then
		signal KILL "$node" "$program"
		reaped
	else
		"$dir/$node/svc/kill" "$dir/$node"
	fi
	;;
pause) signal STOP "$node" "$program" ;;
resume) signal CONT "$node" "$program" ;;
*) "$command" ;;
esac
