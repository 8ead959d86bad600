#!/bin/sh
# usage: images/nginx/build.sh FILE
# Writes the root file system of a small web server to FILE, a tar archive. It has Debian's nginx
# with its libraries, curl and busybox for interactive use, and the files of the folder rootfs/ next
# to this script. docker import creates an image from FILE:
#
#   docker import --change 'CMD ["nginx", "-g", "daemon off;"]' --change 'EXPOSE 80' FILE NAME
#
# This script needs mmdebstrap, as the build of the node image does. It takes about 15 seconds.
set -eu

[ $# -eq 1 ] || { echo "usage: $0 FILE" >&2; exit 2; }
rootfs=$(cd "$(dirname "$0")" && pwd)/rootfs
new=$(dirname "$1")/.$(basename "$1").$$ # a failure leaves no partial FILE
trap 'rm -f "$new" "$new.log"' EXIT
trap 'exit 130' INT TERM

# The variant extract unpacks packages without running their scripts, because there is no shell yet.
mmdebstrap --quiet --variant=extract --format=tar --include=nginx,busybox-static,curl \
  --hook-dir=/usr/share/mmdebstrap/hooks/merged-usr \
  --extract-hook='cd "$1"/usr && rm -rf lib/*/gconv share/doc share/locale share/man share/perl5' \
  --extract-hook='for name in cat env grep hostname id ls nslookup ping ps sh sleep; do ln -sf busybox "$1/usr/bin/$name"; done' \
  --extract-hook='mkdir -p "$1"/dev "$1"/proc "$1"/root "$1"/run "$1"/sys "$1"/tmp "$1"/var/lib/nginx && chmod 1777 "$1"/tmp' \
  --extract-hook="sync-in '$rootfs' /" \
  bookworm "$new" >"$new.log" 2>&1 || { cat "$new.log" >&2; exit 1; }
mv "$new" "$1"
