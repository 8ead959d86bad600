#!/bin/sh
# usage: images/busybox/build.sh FILE
# Writes the root file system of the conformance suite's image busybox to FILE, a tar archive. It
# has Debian's static busybox, with a link for each of its tools.
set -eu

[ $# -eq 1 ] || { echo "usage: $0 FILE" >&2; exit 2; }
rootfs=$(cd "$(dirname "$0")" && pwd)/rootfs

# sh is a script (rootfs/usr/bin/sh) that runs the shell of busybox, because some specs compare the
# messages of that shell. The script exists because Debian's build of the shell does not pass on
# environment variables whose names are not valid in the shell (data-1). Four specs look for such
# variables with sh -c env.
mmdebstrap --quiet --variant=extract --format=tar --include=bash-static,busybox-static \
  --hook-dir=/usr/share/mmdebstrap/hooks/merged-usr \
  --extract-hook='cd "$1"/usr && mv bin/bash-static bin/busybox . && rm -rf bin/* lib/* sbin/* share/* && mv bash-static busybox bin' \
  --extract-hook='for name in $("$1"/usr/bin/busybox --list); do [ -e "$1/usr/bin/$name" ] || ln -s busybox "$1/usr/bin/$name"; done' \
  --extract-hook='rm "$1"/usr/bin/sh' \
  --extract-hook='mkdir -p "$1"/dev "$1"/etc "$1"/home "$1"/proc "$1"/root "$1"/sys "$1"/tmp "$1"/var && chmod 1777 "$1"/tmp' \
  --extract-hook="sync-in '$rootfs' /" \
  bookworm "$1"
