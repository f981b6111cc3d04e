#!/bin/bash
# portdump: a capture as text and JSON, an owner's greeting, and a node that works through it.
source t/lib.sh

message() { # message TYPE TAG BODY: in hexadecimal
	printf '%08x%02x000000%08x%s' $((8 + ${#3} / 2)) "$1" "$2" "$3" | xxd -r -p
}
{
	message 1 1 00010467617465
	message 3 2 00000000000000000000000012000200000007ffff
	message 4 2 0000000000000200000000020a0b01000000010000000000000002000000030000000000000004000000ff
	message 7 0 00020000000500000006
	message 6 2 ''
	message 10 3 ffff
} >"$tmp/capture"
is 'a capture as text' "$(portdump <"$tmp/capture")" 'Thello tag 1 version 1 name gate
Tcall tag 2 listener 0 principal - host - ApiVersions version 2 correlation 7 10 bytes
Rcall tag 2 bytes [2 bytes] [slot 1 base 2.3 at 4 255 bytes]
Twake tag 0 slots 5 6
Tflush tag 2
Rdrop tag 3 error -1'
portdump -J <"$tmp/capture" | jq -c '[.type,.tag,.api,(.pieces//[]|length),.slots]' >"$tmp/json"
is 'as JSON' "$(cat "$tmp/json")" '["Thello",1,null,0,null]
["Tcall",2,"ApiVersions",0,null]
["Rcall",2,null,2,null]
["Twake",0,null,0,[5,6]]
["Tflush",2,null,0,null]
["Rdrop",3,null,0,null]'
cut_short() { head -c 40 "$tmp/capture" | portdump; }
exits 'a capture that is cut short' 1 cut_short
no_capture() { echo 'this is no capture' | portdump; }
exits 'no capture' 1 no_capture
exits 'wrong usage' 100 portdump -x
exits 'nobody there' 111 portdump "$tmp/nobody"

lab_up || { fail 'a node starts'; done_testing; }
run=$lab/1/run
like 'an owner greets' "$(timeout 2 portdump "$run/logappend")" 'Rhello tag 0 version 1 .* fd'
seq 20000 >"$tmp/lines"
kcat -b "$ODRADEK_BROKERS" -P -t watched -X acks=all -l "$tmp/lines" 2>"$tmp/kcat" ||
	diag "$(cat "$tmp/kcat")"
portdump -x "$run/logserve" >"$tmp/calls" &
relay=$!
ok 'it takes the name' until_ok 5 test -S "$run/logserve.real"
exits 'once' 111 portdump -x "$run/logserve"
lab kill -d "$lab" 1 gate
greeted() { grep -q 'Rhello' "$tmp/calls"; }
ok 'gate comes back through it' until_ok 5 greeted
ok 'a consumer reads through it' until_ok 5 kcat -b "$ODRADEK_BROKERS" -L -t watched
kcat -b "$ODRADEK_BROKERS" -C -t watched -o beginning -e -q >"$tmp/read" 2>"$tmp/kcat"
ok 'the same lines' cmp "$tmp/lines" "$tmp/read"
like 'its calls are there' "$(cat "$tmp/calls")" '> Tcall tag .* /127.0.0.1 Fetch version'
like 'and their answers, with a descriptor' "$(cat "$tmp/calls")" '< Rcall tag .* \[slot .* fd\]'
kill "$relay"
wait "$relay"
is 'it ends' $? 0
ok 'the name is given back' test ! -e "$run/logserve.real"
kcat -b "$ODRADEK_BROKERS" -C -t watched -o beginning -e -q >"$tmp/read" 2>"$tmp/kcat"
ok 'the node goes on without it' cmp "$tmp/lines" "$tmp/read"
done_testing
