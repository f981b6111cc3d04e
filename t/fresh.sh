#!/bin/bash
# fresh.sh [DIR]: on a bare Debian 12 tree with git, make and gcc alone, make lab and make check
# must pass, and pass again without installing or building anything. By hand,
# as root, with debootstrap.
set -eu
cd "$(dirname "$0")/.."
root=${1:-/var/tmp/odradek-fresh}
mirror=${MIRROR:-http://deb.debian.org/debian}
[ -e "$root/usr/bin/gcc" ] ||
	debootstrap --variant=minbase --include=git,make,gcc,ca-certificates bookworm "$root" "$mirror"
inside() { unshare --mount --pid --fork --kill-child chroot "$root" /bin/bash -ec "$1"; }
rm -rf "$root/src"
git clone -q --no-hardlinks . "$root/src"
cp /etc/resolv.conf "$root/etc/resolv.conf"
# What this machine trusts besides Debian's list: it may sit behind a proxy.
cp -R /usr/local/share/ca-certificates "$root/usr/local/share/"
chroot "$root" update-ca-certificates >/dev/null
prepare='mount -t proc proc /proc; mountpoint -q /dev/shm || mount -t tmpfs tmpfs /dev/shm
	[ -e /dev/fd ] || ln -s /proc/self/fd /dev/fd; cd /src; export HOME=/root'
inside "$prepare; make lab; make lab; build/bin/lab stop; make check; make check T=t/0007-make.t"
echo 'fresh: make lab and make check pass on a bare tree'
