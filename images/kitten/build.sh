#!/bin/sh
# usage: KUBERNETES=FOLDER images/kitten/build.sh FILE
# Writes the layer of the conformance suite's image kitten to FILE, a tar archive. The layer has the
# files that its web server serves, from the Kubernetes sources.
set -eu

[ $# -eq 1 ] || { echo "usage: $0 FILE" >&2; exit 2; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
chmod 755 "$dir"

install -m 644 "$KUBERNETES"/test/images/kitten/html/* "$dir"
# A spec identifies the image by the base system of the upstream image, Alpine Linux.
mkdir "$dir"/etc
echo 'PRETTY_NAME="Debian in place of Alpine Linux"' >"$dir"/etc/os-release
tar --create --file "$1" --directory "$dir" --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner .
