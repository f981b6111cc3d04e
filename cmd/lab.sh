#!/bin/bash
# lab: start, stop, kill and look at nodes on one machine. See lab(1).
set -uo pipefail
shopt -s nullglob
usage() {
	local start='start [-n nodes] [-p port] [-d dir] [-a host] [-x prefix] [-c key=value]...'
	echo "lab: usage: lab $start | stop [-d dir] [NODE] | pids | status [-d dir]" \
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
declare -A starter=() # of each node, the process that became its supervisor
launch() {
	local chain=()
	[ ! -s "$dir/prefix" ] || read -ra chain <"$dir/prefix"
	[ ${#chain[@]} != 0 ] || vacant "$1" # a prefix may give it a network of its own
	NODE=$1 setsid "${chain[@]}" "$dir/$1/svc/start" "$dir/$1" </dev/null \
		>"$dir/$1/logs/start" 2>&1 &
	starter[$1]=$!
}
await() { # until all services of node $1 say that they can serve; not when one of them stays down
	local service services deadline=$((SECONDS + serve_within))
	until running "$1" && s6-svok "$dir/$1/run/s6/gate" 2>/dev/null; do
		kill -0 "${starter[$1]:-$$}" 2>/dev/null || die 111 "node $1: $(tail -n 1 "$dir/$1/logs/start")"
		sleep 0.005
	done
	services=("$dir/$1"/run/s6/*/)
	until "$dir/$1/svc/ready" 500 "${services[@]}" 2>/dev/null; do
		[ $SECONDS -lt $deadline ] || give_up "$1"
		running "$1" || die 111 "node $1 was ended while it started"
		for service in "${services[@]}"; do
			[ "$(s6-svstat -o up,wantedup "$service" 2>/dev/null)" != 'false false' ] ||
				give_up "$1"
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
ready() { # ready NODE...
	local address addresses=()
	for node; do await "$node"; done
	for node; do
		read -r address <"$dir/$node/env/advertised.listeners"
		address=${address##*PLAINTEXT://}
		addresses+=("${address%%,*}")
	done
	(IFS=,; echo "ready ${addresses[*]}")
}

# --- the commands ---
list_nodes() { # sets $made: the nodes that there are
	made=()
	for node in "$dir"/*/env; do made+=("$(basename "${node%/env}")"); done
	mapfile -t made < <([ ${#made[@]} = 0 ] || printf '%s\n' "${made[@]}" | sort -n)
}
make_nodes() { # who votes must be known before the first of them starts
	local node at cluster='' id voters='' initial='' common new
	local factor=$((nodes < 3 ? nodes : 3)) insync=$((nodes < 3 ? 1 : 2))
	common=(-c "offsets.topic.replication.factor=$factor"
		-c "transaction.state.log.replication.factor=$factor"
		-c "transaction.state.log.min.isr=$insync")
	[ "$nodes" = 1 ] ||
		common+=(-c "default.replication.factor=$factor" -c "min.insync.replicas=$insync")
	for ((node = 1; node <= nodes; node++)); do
		new=("${common[@]}" -p $((port + node - 1)))
		[ -z "$host" ] || new+=(-a "${host//%d/$node}")
		[ -z "$cluster" ] || new+=(-k "$cluster")
		mkbroker "${new[@]}" "${options[@]}" "$dir/$node" || exit
		cluster=$(sed -n 's/^cluster.id=//p' "$dir/$node/log/meta.properties")
		id=$(sed -n 's/^directory.id=//p' "$dir/$node/log/meta.properties")
		at=$(sed 's/.*CONTROLLER:\/\///' "$dir/$node/env/listeners")
		voters+=,$node@$at initial+=,$node@$at:$id
	done
	[ "$nodes" != 1 ] || return 0
	for ((node = 1; node <= nodes; node++)); do
		mkbroker -u -c "controller.quorum.voters=${voters#,}" \
			-c "odradek.initial.controllers=${initial#,}" "$dir/$node" || exit
	done
}
change_nodes() { # those that there are get the settings that are given
	local new=("${options[@]}")
	[ "$nodes" = "${#made[@]}" ] || die 100 "-n $nodes: there are ${#made[@]} in $dir already"
	[ "$nodes" = 1 ] || [ -z "$port$host" ] ||
		die 100 'several nodes know each other by their addresses: these stay as they are'
	[ -z "$host" ] || new+=(-a "${host//%d/1}")
	[ -z "$port" ] || new+=(-p "$port")
	for node in "${made[@]}"; do
		if ! running "$node"; then
			mkbroker -u "${new[@]}" "$dir/$node" || exit
		elif [ ${#new[@]} != 0 ]; then
			echo "lab: warning: node $node runs already, as it was set up" >&2
		fi
	done
}
start() {
	local options=() made setting
	for setting in "${settings[@]}"; do options+=(-c "$setting"); done
	mkdir -p "$dir" || exit 111
	list_nodes
	[ -n "$nodes" ] || nodes=$((${#made[@]} > 0 ? ${#made[@]} : 1))
	if [ ${#made[@]} = 0 ]; then
		port=${port:-9092}
		make_nodes
		list_nodes
	else
		change_nodes
	fi
	for node in "${made[@]}"; do
		if ! running "$node"; then
			printf '%s\n' "$prefix" >"$dir/prefix"
			launch "$node"
		fi
	done
	ready "${made[@]}"
}
up() {
	local service
	if running "$node"; then
		for service in "$dir/$node"/run/s6/*/; do s6-svc -u "$service"; done
	else
		launch "$node"
	fi
	ready "$node"
}
stop() { # one, which hands over to the others, or all at once
	local stopping=() failed=0 options=(-f) made
	list_nodes
	if [ -n "$1" ]; then made=("$1") options=(); fi
	for node in "${made[@]}"; do
		if running "$node"; then
			signal CONT "$node"
			"$dir/$node/svc/stop" "${options[@]}" "$dir/$node" &
			stopping+=($!)
		else
			"$dir/$node/svc/kill" "$dir/$node" # its supervisor was killed: so are they
		fi
	done
	for node in "${stopping[@]}"; do wait "$node" || failed=$?; done
	[ "$failed" = 0 ] || exit "$failed"
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
dir=lab nodes='' port='' host='' prefix='' settings=()
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
stop) [ $# -le 1 ] || usage ;;
*) [ $# = 0 ] || usage ;;
esac
[[ ${nodes:-1} =~ ^[1-9][0-9]?$ ]] || die 100 "-n $nodes: not a number of nodes from 1 to 99"
[[ ${port:-9092} =~ ^[0-9]+$ ]] || die 100 "not a port: $port"
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
stop) stop "$node" ;;
pause) signal STOP "$node" "$program" ;;
resume) signal CONT "$node" "$program" ;;
*) "$command" ;;
esac
