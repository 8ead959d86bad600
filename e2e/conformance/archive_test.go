package main

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
)

// TestArchive reads an archive as containerd does: layers by the names in the manifest, checked
// against the digests in the configuration.
func TestArchive(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	layer := func(name, data string) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(data), 0o644); err != nil {
			t.Fatal(err)
		}
		return file
	}
	base, top := layer("base.tar", "below"), layer("top.tar", "above")
	images := []image{
		{name: registry + "kitten:1", recipe: recipe{entrypoint: []string{"/agnhost"}, cmd: []string{"test-webserver"}}, layers: []string{base, top}},
		{name: registry + "busybox:1", recipe: recipe{user: "1234"}, layers: []string{base}},
		{name: registry + "busybox:2", recipe: recipe{user: "1234"}, layers: []string{base}},
	}
	var out bytes.Buffer
	if err := writeArchive(&out, images); err != nil {
		t.Fatal(err)
	}
	files, order := unpack(t, &out)
	var manifests []manifest
	if err := json.Unmarshal(files["manifest.json"], &manifests); err != nil || len(manifests) != len(images) {
		t.Fatalf("the manifest is %s, %v", files["manifest.json"], err)
	}
	configs := map[string]bool{}
	for i, m := range manifests {
		configs[m.Config] = true
		if !slices.Equal(m.RepoTags, []string{images[i].name}) || m.Config != digest(files[m.Config])+".json" {
			t.Errorf("the manifest of %s is %+v", images[i].name, m)
		}
		var c struct {
			Architecture, OS string
			Config           struct {
				Entrypoint, Cmd, Env []string
				User                 string
			}
			RootFS struct {
				DiffIDs []string `json:"diff_ids"`
			}
		}
		if err := json.Unmarshal(files[m.Config], &c); err != nil {
			t.Fatal(err)
		}
		var diffs []string
		for _, name := range m.Layers {
			diffs = append(diffs, "sha256:"+digest(files[name]))
		}
		if !slices.Equal(c.RootFS.DiffIDs, diffs) || len(diffs) != len(images[i].layers) {
			t.Errorf("the layers of %s are %q; want %q", images[i].name, c.RootFS.DiffIDs, diffs)
		}
		got := recipe{entrypoint: c.Config.Entrypoint, cmd: c.Config.Cmd, user: c.Config.User}
		if !reflect.DeepEqual(got, images[i].recipe) || len(c.Config.Env) != 1 || c.OS != "linux" || c.Architecture == "" {
			t.Errorf("the configuration of %s is %+v", images[i].name, c)
		}
	}
	if len(configs) != len(images) {
		t.Error("images of the same files are one")
	}
	if n := len(order); n != 2+len(images)+1 {
		t.Errorf("the archive has %d files: %q", n, order)
	}
}

func TestArchiveNamesTheImageThatFails(t *testing.T) {
	t.Parallel()
	err := writeArchive(io.Discard, []image{{name: "x:1", layers: []string{"no/such/file"}}})
	if err == nil || err.Error() != "archiving x:1: open no/such/file: no such file or directory" {
		t.Errorf("writeArchive = %v", err)
	}
}

func unpack(t *testing.T, r io.Reader) (files map[string][]byte, order []string) {
	t.Helper()
	files = map[string][]byte{}
	for in := tar.NewReader(r); ; {
		h, err := in.Next()
		if err == io.EOF {
			return files, order
		}
		if err != nil {
			t.Fatal(err)
		}
		if files[h.Name], err = io.ReadAll(in); err != nil {
			t.Fatal(err)
		}
		order = append(order, h.Name)
	}
}
