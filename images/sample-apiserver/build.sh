#!/bin/sh
# usage: PROGRAMS=FOLDER images/sample-apiserver/build.sh FILE
# Writes the layer of the conformance suite's image sample-apiserver to FILE, a tar archive.
set -eu

[ $# -eq 1 ] || { echo "usage: $0 FILE" >&2; exit 2; }
tar --create --file "$1" --directory "$PROGRAMS" --mtime=@0 --owner=0 --group=0 --numeric-owner sample-apiserver
