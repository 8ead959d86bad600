#!/bin/sh
# usage: PROGRAMS=FOLDER images/nonewprivs/build.sh FILE
# Writes the layer of the conformance suite's image nonewprivs to FILE, a tar archive. The layer has
# a program with the setuid and setgid bits, so that it runs as root for every user.
set -eu

[ $# -eq 1 ] || { echo "usage: $0 FILE" >&2; exit 2; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
chmod 755 "$dir"

install -D -m 6755 "$PROGRAMS"/nonewprivs "$dir"/usr/local/bin/nnp
tar --create --file "$1" --directory "$dir" --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner .
