package main

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/containerd/containerd/v2/core/snapshots"
	"github.com/containerd/errdefs"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/identity"
)

const (
	snapshotter  = "overlayfs"
	snapshotsDir = "io.containerd.snapshotter.v1.overlayfs"
)

// Layer contains the entries of one layer. A folder comes before the entries in it.
type Layer []Entry

// Entry is one folder, file or symbolic link of a layer.
type Entry struct {
	Path string      `json:"path"`           // in the image, without a leading slash
	Mode fs.FileMode `json:"mode,omitempty"` // permission bits and fs.ModeDir
	// Source is the file on the host to which a regular file is hard-linked.
	Source string `json:"source,omitempty"`
	// Link is the target of a symbolic link.
	Link string `json:"link,omitempty"`
}

// unpack creates the snapshot of a layer on top of the layers below, unless an earlier image has
// created it. It returns the digest and the size of the layer's archive.
func (s *store) unpack(ctx context.Context, below []digest.Digest, layer Layer) (digest.Digest, int64, error) {
	diff, size, err := layer.digest()
	if err != nil {
		return "", 0, err
	}
	name := identity.ChainID(append(below[:len(below):len(below)], diff)).String()
	if _, err := s.snapshots.Stat(ctx, name); err == nil {
		return diff, size, nil
	}
	key := "unpack-" + name
	parent := ""
	if len(below) > 0 {
		parent = identity.ChainID(below).String()
	}
	// The root label protects the snapshot from garbage collection while the image that refers to it
	// is not written yet.
	labels := snapshots.WithLabels(map[string]string{"containerd.io/gc.root": "true"})
	if _, err := s.snapshots.Prepare(ctx, key, parent, labels); err != nil {
		return "", 0, err
	}
	dir, err := s.folder(ctx, key)
	if err != nil {
		return "", 0, err
	}
	if err := layer.link(dir); err != nil {
		return "", 0, err
	}
	if err := s.snapshots.Commit(ctx, name, key); err != nil && !errdefs.IsAlreadyExists(err) {
		return "", 0, err
	}
	return diff, size, nil
}

// folder returns the folder in which the overlay snapshotter keeps the files of an active snapshot.
func (s *store) folder(ctx context.Context, key string) (string, error) {
	mounts, err := s.snapshots.Mounts(ctx, key)
	if err != nil {
		return "", err
	}
	if len(mounts) != 1 {
		return "", fmt.Errorf("snapshot %s has %d mounts, want 1", key, len(mounts))
	}
	if mounts[0].Type == "bind" {
		return mounts[0].Source, nil
	}
	for _, option := range mounts[0].Options {
		if dir, ok := strings.CutPrefix(option, "upperdir="); ok {
			return dir, nil
		}
	}
	return "", fmt.Errorf("snapshot %s has no upper directory in %v", key, mounts[0].Options)
}

func (l Layer) link(dir string) error {
	for _, e := range l {
		target := filepath.Join(dir, filepath.FromSlash(path.Clean("/"+e.Path)))
		var err error
		switch {
		case e.Mode.IsDir():
			err = mkdir(target, e.Mode.Perm())
		case e.Link != "":
			err = os.Symlink(e.Link, target)
		default:
			err = linkFile(e.Source, target, e.Mode.Perm())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// mkdir creates a folder, unless it exists, and sets its mode. The umask has no effect on the mode.
func mkdir(dir string, perm fs.FileMode) error {
	if err := os.Mkdir(dir, perm); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return os.Chmod(dir, perm)
}

// linkFile creates a hard link to a file. It copies the file instead if its mode differs, or if the
// cache is on another file system.
func linkFile(source, target string, perm fs.FileMode) error {
	if info, err := os.Stat(source); err == nil && info.Mode().Perm() == perm && os.Link(source, target) == nil {
		return nil
	}
	in, err := os.Open(source)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(target, os.O_CREATE|os.O_EXCL|os.O_WRONLY, perm)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Chmod(perm), out.Close())
}

// digest returns the digest and the size of the layer as an uncompressed archive. The digest is the
// diff ID in the configuration of the image.
func (l Layer) digest() (digest.Digest, int64, error) {
	hash := digest.Canonical.Digester()
	count := &counter{w: hash.Hash()}
	w := tar.NewWriter(count)
	for _, e := range l {
		if err := e.archive(w); err != nil {
			return "", 0, fmt.Errorf("archiving %s: %w", e.Path, err)
		}
	}
	if err := w.Close(); err != nil {
		return "", 0, err
	}
	return hash.Digest(), count.n, nil
}

func (e Entry) archive(w *tar.Writer) error {
	header := &tar.Header{Name: e.Path, Mode: int64(e.Mode.Perm()), Format: tar.FormatPAX}
	switch {
	case e.Mode.IsDir():
		header.Typeflag, header.Name = tar.TypeDir, e.Path+"/"
		return w.WriteHeader(header)
	case e.Link != "":
		header.Typeflag, header.Linkname, header.Mode = tar.TypeSymlink, e.Link, 0o777
		return w.WriteHeader(header)
	}
	f, err := os.Open(e.Source)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	header.Typeflag, header.Size = tar.TypeReg, info.Size()
	if err := w.WriteHeader(header); err != nil {
		return err
	}
	_, err = io.Copy(w, f)
	return err
}

type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}
