#!/bin/sh
# usage: PROGRAMS=FOLDER KUBERNETES=FOLDER images/agnhost/build.sh FILE
# Writes the layer of the conformance suite's image agnhost to FILE, a tar archive. The layer has
# the program agnhost from PROGRAMS, the certificate and key of its servers from the Kubernetes
# sources, and the files of rootfs/: they define a user and a group with this user as a member.
set -eu

[ $# -eq 1 ] || { echo "usage: $0 FILE" >&2; exit 2; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
chmod 755 "$dir"

cp -R "$(dirname "$0")"/rootfs/. "$dir"
cp "$PROGRAMS"/agnhost "$dir"
ln -s agnhost "$dir"/agnhost-2
mkdir "$dir"/uploads
install -m 644 "$KUBERNETES"/test/images/agnhost/porter/localhost.crt "$KUBERNETES"/test/images/agnhost/porter/localhost.key "$dir"
tar --create --file "$1" --directory "$dir" --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner .
