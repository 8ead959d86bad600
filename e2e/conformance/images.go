package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// recipe describes one image of the suite: the layer that its folder of images/ builds, if there
// is one, on top of the layers of the image from.
type recipe struct {
	from       string
	entrypoint []string
	cmd        []string
	user       string
}

// recipes are the images that conformance specs use. The default commands are those of upstream's
// images, see https://github.com/kubernetes/kubernetes/tree/v1.37.2/test/images.
var recipes = map[string]recipe{
	"agnhost":           {from: "glibc-dns-testing", entrypoint: []string{"/agnhost"}, cmd: []string{"pause"}},
	"busybox":           {cmd: []string{"sh"}},
	"glibc-dns-testing": {cmd: []string{"bash"}},
	"kitten":            {from: "agnhost", entrypoint: []string{"/agnhost"}, cmd: []string{"test-webserver"}},
	"nautilus":          {from: "agnhost", entrypoint: []string{"/agnhost"}, cmd: []string{"test-webserver"}},
	"nginx":             {cmd: []string{"nginx", "-g", "daemon off;"}},
	"nonewprivs":        {from: "busybox", cmd: []string{"nnp"}},
	"nonroot":           {from: "busybox", cmd: []string{"sh"}, user: "1234"},
	"sample-apiserver":  {from: "busybox", entrypoint: []string{"/sample-apiserver"}},
}

// image is an image to load: its recipe, and the files of its layers, lowest first.
type image struct {
	name string // with the registry and a tag
	recipe
	layers []string
}

// short returns the name of an image without registry and tag.
func (i image) short() string {
	name, _, _ := strings.Cut(strings.TrimPrefix(i.name, registry), ":")
	return name
}

// registry is the registry of the suite's own images.
const registry = "registry.k8s.io/e2e-test-images/"

// images returns all images of the suite for which there is a recipe, in every version that the
// suite's sources name. It builds the layers that are not in the cache.
func (c conformance) images(ctx context.Context, p programs) ([]image, error) {
	out, err := exec.CommandContext(ctx, p.path("e2e.test"), "--list-images").Output()
	if err != nil {
		return nil, fmt.Errorf("asking the suite for its images: %w", err)
	}
	names := strings.Fields(string(out))
	slices.Sort(names) // the list has no order
	var list []image
	for _, name := range names {
		i := image{name: name}
		var known bool
		if i.recipe, known = recipes[i.short()]; !known {
			continue // an image of specs that are not part of conformance
		}
		if i.layers, err = c.layers(ctx, p, i.short()); err != nil {
			return nil, fmt.Errorf("building image %s: %w", i.short(), err)
		}
		list = append(list, i)
	}
	return list, nil
}

func (c conformance) layers(ctx context.Context, p programs, name string) ([]string, error) {
	var below []string
	if from := recipes[name].from; from != "" {
		var err error
		if below, err = c.layers(ctx, p, from); err != nil {
			return nil, err
		}
	}
	source := filepath.Join("images", name)
	if _, err := os.Stat(source); errors.Is(err, fs.ErrNotExist) {
		return below, nil // the same files, with another default command
	}
	layer, err := c.layer(ctx, p, name, source)
	return append(below, layer), err
}

// layer runs the build script of an image, unless the cache has the result for the same files and
// programs. The cache keeps one result per image.
func (c conformance) layer(ctx context.Context, p programs, name, source string) (string, error) {
	hash := sha256.New()
	fmt.Fprintln(hash, filepath.Base(p.dir))
	if err := hashFiles(hash, source); err != nil {
		return "", err
	}
	inputs := hex.EncodeToString(hash.Sum(nil))
	file := filepath.Join(c.cache, "images", name+".tar")
	if have, err := os.ReadFile(file + ".inputs"); err == nil && string(have) == inputs {
		return file, nil
	}
	c.say("Building image %s.", name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return "", err
	}
	if err := os.RemoveAll(file + ".inputs"); err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, filepath.Join(source, "build.sh"), file)
	cmd.Env = append(os.Environ(), "PROGRAMS="+p.dir, "KUBERNETES="+p.kubernetes)
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("running %s: %w\n%s", cmd.Path, err, out)
	}
	return file, os.WriteFile(file+".inputs", []byte(inputs), 0o644)
}

func hashFiles(w io.Writer, dir string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		fmt.Fprintf(w, "%s %d\n%s", path, len(data), data)
		return err
	})
}
