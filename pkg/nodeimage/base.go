package nodeimage

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/mkube/mkube/pkg/progress"
)

// suite is the Debian release of the base. Its systemd (252) still runs on cgroup v1. The systemd
// of the next release refuses to.
const suite = "bookworm"

// baseVersion must change when the base is built in another way from the same packages.
const baseVersion = "6"

// packagesFile lists the packages of the base.
const packagesFile = "packages.txt"

// base builds the root file system that is the first layer of the image, and returns its archive.
func (b *builder) base(ctx context.Context) (archive string, err error) {
	packages, err := readPackages(filepath.Join(b.Source, packagesFile))
	if err != nil {
		return "", err
	}
	err = b.step("base", func() (string, error) {
		sum := sha256.Sum256([]byte(fmt.Sprintf("%s %s %q %q", baseVersion, suite, b.BaseImage, packages)))
		dir := filepath.Join(b.Cache, "base", hex.EncodeToString(sum[:])[:24])
		archive = filepath.Join(dir, "base.tar")
		return b.cached(dir, func(dir string) error {
			b.event(progress.Event{Step: "base", State: progress.Running, Detail: "installing packages, once: about a minute"})
			raw := filepath.Join(dir, "raw.tar")
			defer os.Remove(raw)
			make := b.mmdebstrap
			if b.BaseImage != "" {
				make = b.flatten
			}
			if err := make(ctx, packages, raw); err != nil {
				return err
			}
			return emptyVar(raw, filepath.Join(dir, "base.tar"))
		})
	})
	if err != nil {
		return "", fmt.Errorf("building the base: %w", err)
	}
	return archive, nil
}

// mmdebstrap builds the base from Debian's archive, which it reaches like the host's apt. If the
// user is root, it runs as root, otherwise in a user namespace.
func (b *builder) mmdebstrap(ctx context.Context, packages []string, target string) error {
	args := []string{
		"mmdebstrap", "--variant=minbase", "--format=tar",
		// /usr is merged from the start, because a later merge would need perl.
		"--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr",
		"--include=" + strings.Join(withoutNFS(packages), ","),
		"--customize-hook=" + nfsHook,
	}
	// A node needs no documentation, no conversion of character sets (gconv), and no names of hardware
	// (hwdb), which udev would also compile to a file of 13 MB.
	for _, path := range []string{"/usr/share/doc", "/usr/share/info", "/usr/share/locale", "/usr/share/man", "/usr/lib/*/gconv", "/lib/udev/hwdb.d"} {
		args = append(args, "--dpkgopt=path-exclude="+path+"/*")
	}
	return b.run(ctx, b.Source, nil, append(args, suite, target)...)
}

// nfsPackage needs Python, which is 35 MB, for a program that lists the clients of a server.
const nfsPackage = "nfs-common"

// withoutNFS returns packages with what the programs of nfsHook need, instead of nfsPackage.
func withoutNFS(packages []string) []string {
	var list []string
	for _, name := range packages {
		if name == nfsPackage {
			list = append(list, "libtirpc3", "libkeyutils1", "rpcbind")
			continue
		}
		list = append(list, name)
	}
	return list
}

// nfsHook extracts from nfsPackage what a node needs: the programs that mount NFS volumes, and lock
// files on servers of NFS version 3. The package is not installed, so a user can install it later.
const nfsHook = `cd "$1/tmp" && APT_CONFIG=$MMDEBSTRAP_APT_CONFIG apt-get download ` + nfsPackage + ` &&
dpkg-deb --fsys-tarfile ` + nfsPackage + `_*.deb | tar -C "$1" -x ./sbin/mount.nfs ./sbin/mount.nfs4 ./sbin/umount.nfs ./sbin/umount.nfs4 \
  ./sbin/rpc.statd ./sbin/sm-notify ./usr/sbin/start-statd ./lib/systemd/system/rpc-statd.service && rm ` + nfsPackage + `_*.deb`

func (b *builder) flatten(ctx context.Context, packages []string, target string) error {
	f, err := os.Create(target)
	if err != nil {
		return err
	}
	meter := &progress.Meter{On: b.event, Steps: []string{"base"}, Detail: "copying the base from the daemon"}
	if err := b.Daemon.Flatten(ctx, b.BaseImage, packages, meter.Writer(f)); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

// readPackages reads a list of packages, one per line. # begins a comment.
func readPackages(path string) ([]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var packages []string
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		name, _, _ := strings.Cut(lines.Text(), "#")
		if name = strings.TrimSpace(name); name != "" {
			packages = append(packages, name)
		}
	}
	return packages, lines.Err()
}
