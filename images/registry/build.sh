#!/bin/sh
# usage: images/registry/build.sh FILE
# Writes the root file system of a small image registry to FILE, a tar archive. It has crane, in the
# version that go.mod next to this script pins. docker import creates an image from FILE:
#
#   docker import --change 'CMD ["/crane", "registry", "serve", "--address", ":5000"]' FILE NAME
set -eu

[ $# -eq 1 ] || { echo "usage: $0 FILE" >&2; exit 2; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
chmod 755 "$dir"

mkdir -m 1777 "$dir"/tmp
CGO_ENABLED=0 GOOS=linux GOFLAGS=-buildvcs=false go -C "$(dirname "$0")" build -trimpath -ldflags '-s -w' -o "$dir"/ tool
tar --create --file "$1" --directory "$dir" --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner .
