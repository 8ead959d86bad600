package main

import (
	"encoding/json"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/core/images"
	"github.com/containerd/containerd/v2/core/snapshots"
	"github.com/containerd/containerd/v2/pkg/namespaces"
	"github.com/containerd/errdefs"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/identity"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// two returns two images that share their first layer.
func two(t *testing.T) (pause, web Image) {
	base := Layer{{Path: "bin", Mode: fs.ModeDir | 0o755}, {Path: "bin/pause", Mode: 0o755, Source: source(t, "pause", "sleep", 0o755)}}
	top := Layer{{Path: "bin", Mode: fs.ModeDir | 0o755}, {Path: "bin/web", Mode: 0o755, Source: source(t, "web", "serve", 0o755)}}
	pause = Image{Name: "example.com/pause:1", Layers: []Layer{base}, Entrypoint: []string{"/bin/pause"}, User: "65535:65535"}
	web = Image{Name: "example.com/web:1", Layers: []Layer{base, top}, Entrypoint: []string{"/bin/web", "-p"}, Env: []string{"A=b"}}
	return pause, web
}

// preloaded returns a root directory with images, and its store, which is opened again as by
// containerd.
func preloaded(t *testing.T, list ...Image) (root string, s *store) {
	t.Helper()
	root = filepath.Join(t.TempDir(), "root")
	for range 2 { // existing images are no error
		s, err := open(root)
		if err != nil {
			t.Fatal(err)
		}
		for _, image := range list {
			if err := s.add(namespaces.WithNamespace(t.Context(), namespace), image); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	s, err := open(root)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return root, s
}

// blob reads a JSON blob of the store.
func blob[T any](t *testing.T, s *store, desc ocispec.Descriptor) (value T, info content.Info) {
	t.Helper()
	ctx := namespaces.WithNamespace(t.Context(), namespace)
	data, err := content.ReadBlob(ctx, s.content, desc)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &value); err != nil {
		t.Fatal(err)
	}
	info, err = s.content.Info(ctx, desc.Digest)
	if err != nil {
		t.Fatal(err)
	}
	return value, info
}

func TestAddMakesWhatAnImportWould(t *testing.T) {
	t.Parallel()
	pause, web := two(t)
	_, s := preloaded(t, pause, web)
	ctx := namespaces.WithNamespace(t.Context(), namespace)
	found, err := s.images.Get(ctx, web.Name)
	if err != nil {
		t.Fatal(err)
	}
	if !maps.Equal(found.Labels, imageLabels) {
		t.Errorf("the image's labels are %v", found.Labels)
	}
	manifest, info := blob[ocispec.Manifest](t, s, found.Target)
	if len(manifest.Layers) != 2 || info.Labels["containerd.io/gc.ref.content.config"] != manifest.Config.Digest.String() {
		t.Errorf("the manifest is %+v with the labels %v", manifest, info.Labels)
	}
	config, info := blob[ocispec.Image](t, s, manifest.Config)
	if config.OS != "linux" || !slices.Equal(config.Config.Entrypoint, web.Entrypoint) || !slices.Equal(config.Config.Env, web.Env) {
		t.Errorf("the configuration is %+v", config)
	}
	chain := identity.ChainID(config.RootFS.DiffIDs).String()
	if info.Labels["containerd.io/gc.ref.snapshot.overlayfs"] != chain {
		t.Errorf("the configuration's labels %v do not keep snapshot %s", info.Labels, chain)
	}
	snapshot, err := s.snapshots.Stat(ctx, chain)
	if err != nil || snapshot.Kind != snapshots.KindCommitted || snapshot.Parent != identity.ChainID(config.RootFS.DiffIDs[:1]).String() {
		t.Errorf("the snapshot is %+v, %v", snapshot, err)
	}
}

// TestEveryNameOfAnImage checks that an image has two names, because the kubelet requests an image by
// its name and by its ID.
func TestEveryNameOfAnImage(t *testing.T) {
	t.Parallel()
	pause, _ := two(t)
	_, s := preloaded(t, pause)
	list, err := s.images.List(namespaces.WithNamespace(t.Context(), namespace))
	if err != nil {
		t.Fatal(err)
	}
	var target digest.Digest
	names := map[string]images.Image{}
	for _, i := range list {
		names[i.Name], target = i, i.Target.Digest
	}
	manifest, _ := blob[ocispec.Manifest](t, s, names[pause.Name].Target)
	for _, want := range []string{pause.Name, manifest.Config.Digest.String()} {
		if i, ok := names[want]; !ok || i.Target.Digest != target {
			t.Errorf("no image is called %s: %v", want, slices.Sorted(maps.Keys(names)))
		}
	}
}

// TestLayersAreShared checks that the second image adds only the layer that the first does not have.
func TestLayersAreShared(t *testing.T) {
	t.Parallel()
	pause, web := two(t)
	root, _ := preloaded(t, pause, web)
	folders, err := filepath.Glob(filepath.Join(root, snapshotsDir, "snapshots/*/fs"))
	if err != nil || len(folders) != 2 {
		t.Fatalf("the snapshots are %q, %v", folders, err)
	}
	var files []string
	for _, dir := range folders {
		for _, name := range []string{"bin/pause", "bin/web"} {
			if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
				files = append(files, name)
			}
		}
	}
	slices.Sort(files)
	if !slices.Equal(files, []string{"bin/pause", "bin/web"}) {
		t.Errorf("the snapshots hold %q: each file once is enough", files)
	}
}

func TestAddFails(t *testing.T) {
	t.Parallel()
	s, err := open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	ctx := namespaces.WithNamespace(t.Context(), namespace)
	broken := Image{Name: "example.com/broken:1", Layers: []Layer{{{Path: "a", Source: "/no/such/file"}}}}
	if err := s.add(ctx, broken); err == nil || !strings.Contains(err.Error(), "archiving a: ") {
		t.Errorf("add = %v", err)
	}
	if _, err := s.images.Get(ctx, broken.Name); !errdefs.IsNotFound(err) {
		t.Errorf("an image without its layer is there: %v", err)
	}
}
