#!/bin/sh
# usage: images/glibc-dns-testing/build.sh FILE
# Writes the root file system of the conformance suite's image glibc-dns-testing to FILE, a tar
# archive. It has Debian's tools for name lookups and networks, and busybox for all other tools. The
# image agnhost is built on top of it.
set -eu

[ $# -eq 1 ] || { echo "usage: $0 FILE" >&2; exit 2; }
rootfs=$(cd "$(dirname "$0")" && pwd)/rootfs

# The variant extract unpacks packages without running their scripts, so the hooks create the links
# that the scripts would create. sh is bash, which passes on all environment variables, see
# images/busybox/build.sh.
mmdebstrap --quiet --variant=extract --format=tar \
  --include=bash,bind9-dnsutils,busybox-static,curl,hostname,iperf,iproute2,libc-bin,netcat-openbsd,socat,util-linux \
  --hook-dir=/usr/share/mmdebstrap/hooks/merged-usr \
  --extract-hook='cd "$1"/usr && rm -rf lib/*/gconv lib/*/perl* share/doc share/info share/locale share/man share/perl*' \
  --extract-hook='ln -sf bash "$1"/usr/bin/sh && ln -sf nc.openbsd "$1"/usr/bin/nc' \
  --extract-hook='for name in $("$1"/usr/bin/busybox --list); do [ -e "$1/usr/bin/$name" ] || [ -e "$1/usr/sbin/$name" ] || ln -s busybox "$1/usr/bin/$name"; done' \
  --extract-hook='mkdir -p "$1"/dev "$1"/etc "$1"/home "$1"/proc "$1"/root "$1"/run "$1"/sys "$1"/tmp "$1"/var && chmod 1777 "$1"/tmp' \
  --extract-hook="sync-in '$rootfs' /" \
  bookworm "$1"
