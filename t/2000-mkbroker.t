#!/bin/bash
# mkbroker: what it makes, what it adopts, what it refuses.
source t/lib.sh
at_exit lab_wreck "$tmp/node"
at_exit lab_wreck "$tmp/kafka"
at_exit lab_wreck "$tmp/moved"
node=$tmp/node/1
mkdir "$tmp/node"

mkbroker -n "$node" >"$tmp/plan"
ok '-n makes nothing' test ! -e "$node"
like '-n says what would be made' "$(cat "$tmp/plan")" $'file\t[^\n]*/env.new/node.id\t1'

ok 'a node' mkbroker -p 20290 -c num.partitions=3 -c odradek.flush=os "$node"
is 'its parts' "$(ls "$node" | tr '\n' ' ')" 'env log logs run scratch svc '
is 'node.id is the name of the directory' "$(cat "$node/env/node.id")" 1
is 'listeners' "$(cat "$node/env/listeners")" \
	'PLAINTEXT://127.0.0.1:20290,CONTROLLER://127.0.0.1:20390'
is 'a setting' "$(cat "$node/env/num.partitions")" 3
is 'the settings are an environment' "$(s6-envdir "$node/env" printenv odradek.flush)" os
like 'meta.properties' "$(sort "$node/log/meta.properties")" \
	$'^cluster.id=[A-Za-z0-9_-]{22}\ndirectory.id=[A-Za-z0-9_-]{22}\nnode.id=1\nversion=1$'
is 'nothing else is in log/' "$(ls -A "$node/log")" meta.properties
is 'run is on tmpfs' "$(stat -f -c %T "$node/run/")" tmpfs
exits 'a node is not made twice' 1 mkbroker "$node"

ok '-u changes a port' mkbroker -u -p 20291 "$node"
is 'the port changed' "$(cat "$node/env/advertised.listeners")" PLAINTEXT://127.0.0.1:20291
is 'other settings stay' "$(cat "$node/env/num.partitions")" 3
run=$(readlink "$node/run")
rm -rf "$run"
ok '-u makes run again' mkbroker -u "$node"
ok 'as after a reboot' test -d "$node/run/home/env"
mkdir "$tmp/moved"
cp -a "$node" "$tmp/moved/1"
ok '-u of a copy' mkbroker -u "$tmp/moved/1"
ok 'a copy has a run of its own' test "$(readlink "$tmp/moved/1/run")" != "$run"
exits '-u needs a node' 1 mkbroker -u "$tmp"

mkdir -p "$tmp/kafka/1/log"
printf '#\n#Tue Nov 24 10:00:00 UTC 2026\ncluster.id=%s\nversion=1\ndirectory.id=%s\nnode.id=7\n' \
	MkU3OEVBNTcwNTJENDM2Qk AAAAAAAAAAAAAAAAAAAAZQ >"$tmp/kafka/1/log/meta.properties"
cp "$tmp/kafka/1/log/meta.properties" "$tmp/meta"
exits 'another node id than that of the log directory' 1 mkbroker -i 1 "$tmp/kafka/1"
exits 'another cluster id' 1 mkbroker -k xh862GziSNuCAmswLudmPw "$tmp/kafka/1"
ok 'a log directory of Apache Kafka is adopted' mkbroker "$tmp/kafka/1"
is 'with its node id' "$(cat "$tmp/kafka/1/env/node.id")" 7
ok 'and left as it is' cmp "$tmp/meta" "$tmp/kafka/1/log/meta.properties"

mkdir -p "$tmp/other/log"
touch "$tmp/other/log/file"
exits 'a directory of something else is left alone' 1 mkbroker "$tmp/other"
for bad in '-c novalue' '-c a/b=c' '-c =x' '-c .x=y' '-p 0' '-p 70000' '-p x' '-i x' '-k short' \
	'-z' '-u -i 3'; do
	# shellcheck disable=SC2086
	exits "usage: $bad" 100 mkbroker $bad "$tmp/bad"
	rm -rf "$tmp/bad"
done
exits 'usage: no directory' 100 mkbroker
exits 'a value that its setting cannot have' 100 mkbroker -c num.partitions=many "$tmp/bad"
warning=$(mkbroker -n -c zookeeper.connect=here "$tmp/bad" 2>&1 >/dev/null)
like 'a setting without a meaning here is accepted with a warning' "$warning" zookeeper.connect
done_testing
