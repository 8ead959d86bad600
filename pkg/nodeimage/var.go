package nodeimage

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"
)

// Where Debian keeps its package database, and where a node does.
const (
	dpkgDir    = "var/lib/dpkg"
	newDpkgDir = "usr/lib/sysimage/dpkg"
)

// emptyVar copies a root file system's archive, leaving nothing but folders in
// /var: a node's is a volume, and a daemon would copy the image's into it, file by
// file, before the node boots. The package database moves to /usr, with a link in
// its place, so that apt still works on a node (see mkube-node-init, which makes the
// link anew).
func emptyVar(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	if err := filterTar(tar.NewReader(in), tar.NewWriter(out), relocate); err != nil {
		return errors.Join(fmt.Errorf("emptying /var of the base: %w", err), out.Close())
	}
	return out.Close()
}

// filterTar copies the entries of an archive that keep, which may change their
// headers, says to, and ends the copy.
func filterTar(in *tar.Reader, out *tar.Writer, keep func(*tar.Header) bool) error {
	for {
		h, err := in.Next()
		if err == io.EOF {
			return out.Close()
		}
		if err != nil {
			return err
		}
		if !keep(h) {
			continue
		}
		if err := out.WriteHeader(h); err != nil {
			return err
		}
		if _, err := io.Copy(out, in); err != nil {
			return err
		}
	}
}

// relocate changes an entry to where it goes, and reports whether it stays at all.
func relocate(h *tar.Header) bool {
	name := strings.Trim(path.Clean("/"+h.Name), "/")
	if rest, ok := strings.CutPrefix(name, dpkgDir); ok && (rest == "" || rest[0] == '/') {
		h.Name = newDpkgDir + rest
		if h.Typeflag == tar.TypeDir {
			h.Name += "/"
		}
		return true
	}
	inVar := strings.HasPrefix(name, "var/")
	// /var/run and /var/lock are links.
	return !inVar || h.Typeflag == tar.TypeDir || h.Typeflag == tar.TypeSymlink
}
