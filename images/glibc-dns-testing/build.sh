#!/bin/sh
# usage: images/glibc-dns-testing/build.sh FILE
# Writes the root file system of the conformance suite's glibc-dns-testing to FILE, a
# tar archive: a Debian with what looks up names and speaks to networks, and busybox
# for the rest. agnhost begins with it.
set -eu

[ $# -eq 1 ] || { echo "usage: $0 FILE" >&2; exit 2; }
rootfs=$(cd "$(dirname "$0")" && pwd)/rootfs

# The variant unpacks packages and runs none of their scripts, so what these would
# link is linked here. The shell is bash for the reason that images/busybox has.
mmdebstrap --quiet --variant=extract --format=tar \
  --include=bash,bind9-dnsutils,busybox-static,curl,hostname,iperf,iproute2,libc-bin,netcat-openbsd,socat,util-linux \
  --hook-dir=/usr/share/mmdebstrap/hooks/merged-usr \
  --extract-hook='cd "$1"/usr && rm -rf lib/*/gconv lib/*/perl* share/doc share/info share/locale share/man share/perl*' \
  --extract-hook='ln -sf bash "$1"/usr/bin/sh && ln -sf nc.openbsd "$1"/usr/bin/nc' \
  --extract-hook='for name in $("$1"/usr/bin/busybox --list); do [ -e "$1/usr/bin/$name" ] || [ -e "$1/usr/sbin/$name" ] || ln -s busybox "$1/usr/bin/$name"; done' \
  --extract-hook='mkdir -p "$1"/dev "$1"/etc "$1"/home "$1"/proc "$1"/root "$1"/run "$1"/sys "$1"/tmp "$1"/var && chmod 1777 "$1"/tmp' \
  --extract-hook="sync-in '$rootfs' /" \
  bookworm "$1"
