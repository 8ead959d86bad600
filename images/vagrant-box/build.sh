#!/bin/sh
# usage: images/vagrant-box/build.sh FILE
# Writes a Vagrant box for libvirt to FILE. The box is Debian with the user and SSH access that
# Vagrant requires, and with the packages of the node image's base. To register the box, run
# vagrant box add --name NAME FILE. The box is only for tests, because its SSH key and passwords are
# publicly known.
#
# This script needs root, mmdebstrap, e2fsprogs, qemu-utils and vagrant. It takes two minutes.
set -eu

[ $# -eq 1 ] || { echo "usage: $0 FILE" >&2; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
target=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
work=$(mktemp -d "$target.XXXXXX") # on the disk of FILE, which has enough space
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

# The packages that only a virtual machine needs, and the packages that all kinds of nodes have.
packages=systemd-sysv,udev,dbus,openssh-server,sudo,ifupdown,isc-dhcp-client,linux-image-cloud-amd64
packages=$packages,$(sed -n 's/^[a-z].*/&/p' "$here/../../node-image/packages.txt" | paste -s -d , -)
key=$(ls /usr/share/rubygems-integration/all/gems/vagrant-*/keys/vagrant.pub | head -n 1)

# The initramfs has only the modules that are needed to find the disk, and none for other hardware.
mmdebstrap --quiet --variant=minbase --mode=root --format=directory --include="$packages" \
  --hook-dir=/usr/share/mmdebstrap/hooks/merged-usr \
  --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
  --essential-hook='mkdir -p "$1/etc/initramfs-tools/conf.d"' \
  --essential-hook='printf "MODULES=list\nCOMPRESS=gzip\n" >"$1/etc/initramfs-tools/conf.d/mkube"' \
  --essential-hook='printf "virtio_pci\nvirtio_blk\n" >"$1/etc/initramfs-tools/modules"' \
  bookworm "$work/root" >"$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }

root=$work/root
chroot "$root" useradd --create-home --shell /bin/bash vagrant
printf 'vagrant:vagrant\nroot:vagrant\n' | chroot "$root" chpasswd
install -d -m 700 "$root/home/vagrant/.ssh"
install -m 600 "$key" "$root/home/vagrant/.ssh/authorized_keys"
chroot "$root" chown -R vagrant:vagrant /home/vagrant/.ssh
echo 'vagrant ALL=(ALL) NOPASSWD: ALL' >"$root/etc/sudoers.d/vagrant"
printf 'UseDNS no\nGSSAPIAuthentication no\n' >"$root/etc/ssh/sshd_config.d/vagrant.conf"
printf 'auto lo\niface lo inet loopback\nauto eth0\niface eth0 inet dhcp\n' >"$root/etc/network/interfaces"
echo mkube >"$root/etc/hostname"
printf '127.0.0.1 localhost\n127.0.1.1 mkube\n' >"$root/etc/hosts"
echo '/dev/vda / ext4 defaults,noatime 0 1' >"$root/etc/fstab"
echo uninitialized >"$root/etc/machine-id" # each machine generates its own ID
# An emulated processor is slow, so units that no test needs are masked.
for unit in apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service \
  fstrim.timer getty@tty1.service haproxy.service serial-getty@ttyS0.service systemd-networkd.service \
  systemd-pstore.service systemd-timesyncd.service; do
  ln -sf /dev/null "$root/etc/systemd/system/$unit"
done

box=$work/box
mkdir "$box"
cp "$here/Vagrantfile" "$box/Vagrantfile"
cp "$root"/boot/vmlinuz-* "$box/vmlinuz"
cp "$root"/boot/initrd.img-* "$box/initrd.img"
rm -rf "$root"/boot/* "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/*
mke2fs -q -t ext4 -m 0 -E lazy_itable_init=1,lazy_journal_init=1 -d "$root" "$work/disk" 8G
qemu-img convert -f raw -O qcow2 "$work/disk" "$box/box.img"
echo '{"provider": "libvirt", "format": "qcow2", "virtual_size": 8}' >"$box/metadata.json"
tar -C "$box" --use-compress-program='gzip -1' -cf "$work/new" metadata.json Vagrantfile box.img vmlinuz initrd.img
mv "$work/new" "$target" # a failure leaves no partial FILE
