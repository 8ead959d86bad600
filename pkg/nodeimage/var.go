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

// The folders of the package database in Debian and on a node.
const (
	dpkgDir    = "var/lib/dpkg"
	newDpkgDir = "usr/lib/sysimage/dpkg"
)

// emptyVar copies the archive of a root file system, but keeps only folders and links in /var. On
// a node, /var is a volume, and a daemon would copy the files of the image into it before the node
// boots. The package database moves to /usr. mkube-node-init links to it, so that apt still works
// on a node.
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

// filterTar copies the entries of an archive that keep accepts, and closes the copy. keep may
// change the headers.
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

// relocate changes the name of an entry if it moves, and reports whether to keep the entry.
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
