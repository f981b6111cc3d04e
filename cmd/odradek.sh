#!/bin/sh
# odradek PROGRAM ARG...: run a program with Odradek's own on PATH. See odradek(1).
[ $# -gt 0 ] || { echo 'odradek: usage: odradek PROGRAM [ARG...]' >&2; exit 100; }
here=$(dirname "$(readlink -f "$0")")
[ -d "$here/../lib/odradek" ] && here=$(cd "$here/../lib/odradek" && pwd)
PATH=$here:$PATH
export PATH
exec "$@"
