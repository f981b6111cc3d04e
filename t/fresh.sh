#!/bin/bash
# fresh.sh [DIR]: on a bare Debian 12 tree with git, make and gcc alone, make lab and make check
# must pass, and pass again without installing or building anything. By hand, as root: it needs
# debootstrap and takes minutes.
set -eu
cd "$(dirname "$0")/.."
root=${1:-/var/tmp/odradek-fresh}
[ -e "$root/usr/bin/gcc" ] ||
	debootstrap --variant=minbase --include=git,make,gcc,ca-certificates bookworm "$root"
rm -rf "$root/src"
git clone -q --no-hardlinks . "$root/src"
cp /etc/resolv.conf "$root/etc/resolv.conf"
# What this machine trusts besides Debian's list: it may sit behind a proxy.
cp -R /usr/local/share/ca-certificates "$root/usr/local/share/"
chroot "$root" update-ca-certificates >/dev/null

# As on a machine of its own: / is a mount, there are /proc, shared memory and terminals.
cat >"$root/machine" <<'M'
set -e
mount -t proc proc /proc
mount -t tmpfs tmpfs /dev/shm
mount -t devpts -o newinstance,ptmxmode=0666 devpts /dev/pts
ln -sf pts/ptmx /dev/ptmx
[ -e /dev/fd ] || ln -s /proc/self/fd /dev/fd
cd /src
make lab
make lab
build/bin/lab stop
make check
make check T=t/0007-make.t
M
unshare --mount --pid --fork --kill-child bash -ec '
	mount --bind "$1" "$1"
	exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root chroot "$1" bash /machine' - "$root"
echo 'fresh: make lab and make check pass on a bare tree'
