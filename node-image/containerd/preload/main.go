// Command preload creates a root directory of containerd that contains images. It has the metadata, the
// manifests and the unpacked snapshots that an import would create. It does not have the archives of
// the layers, because nothing reads them after they are unpacked. The command needs neither a running
// containerd nor root, because it unpacks a layer by hard-linking its files into the snapshot's folder.
//
// The command reads a JSON list of images from standard input. Its only argument is the directory to
// create. It is built with the version of containerd that will read the directory, so that the schemas
// match.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/core/images"
	"github.com/containerd/containerd/v2/core/metadata"
	"github.com/containerd/containerd/v2/core/snapshots"
	"github.com/containerd/containerd/v2/pkg/namespaces"
	"github.com/containerd/containerd/v2/plugins/content/local"
	"github.com/containerd/containerd/v2/plugins/snapshots/overlay"
	bolt "go.etcd.io/bbolt"
)

// namespace is the containerd namespace of the kubelet's images and containers.
const namespace = "k8s.io"

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: preload DIRECTORY <IMAGES.json")
		os.Exit(2)
	}
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "preload:", err)
		os.Exit(1)
	}
}

func run(root string) (err error) {
	var list []Image
	if err := json.NewDecoder(os.Stdin).Decode(&list); err != nil {
		return fmt.Errorf("reading the images: %w", err)
	}
	s, err := open(root)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	ctx := namespaces.WithNamespace(context.Background(), namespace)
	for _, image := range list {
		if err := s.add(ctx, image); err != nil {
			return fmt.Errorf("adding %s: %w", image.Name, err)
		}
	}
	return nil
}

// store is a root directory of containerd with the layout that the plugins of the daemon use.
type store struct {
	root      string
	bolt      *bolt.DB
	overlay   snapshots.Snapshotter
	content   content.Store
	snapshots snapshots.Snapshotter
	images    images.Store
}

func open(root string) (*store, error) {
	blobs, err := local.NewStore(filepath.Join(root, "io.containerd.content.v1.content"))
	if err != nil {
		return nil, err
	}
	ov, err := overlay.NewSnapshotter(filepath.Join(root, snapshotsDir))
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(root, "io.containerd.metadata.v1.bolt")
	if err := os.MkdirAll(dir, 0o711); err != nil {
		return nil, err
	}
	b, err := bolt.Open(filepath.Join(dir, "meta.db"), 0o644, nil)
	if err != nil {
		return nil, err
	}
	db := metadata.NewDB(b, blobs, map[string]snapshots.Snapshotter{snapshotter: ov})
	if err := db.Init(context.Background()); err != nil {
		return nil, errors.Join(err, b.Close())
	}
	return &store{
		root: root, bolt: b, overlay: ov,
		content: db.ContentStore(), snapshots: db.Snapshotter(snapshotter), images: metadata.NewImageStore(db),
	}, nil
}

func (s *store) Close() error { return errors.Join(s.overlay.Close(), s.bolt.Close()) }
