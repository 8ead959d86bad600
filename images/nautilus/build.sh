#!/bin/sh
# usage: KUBERNETES=FOLDER images/nautilus/build.sh FILE
# Writes the layer of the conformance suite's image nautilus to FILE, a tar archive. The layer has
# the files that its web server serves, from the Kubernetes sources.
set -eu

[ $# -eq 1 ] || { echo "usage: $0 FILE" >&2; exit 2; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
chmod 755 "$dir"

install -m 644 "$KUBERNETES"/test/images/nautilus/html/* "$dir"
tar --create --file "$1" --directory "$dir" --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner .
