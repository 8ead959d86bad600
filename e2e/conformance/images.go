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

// recipe is what one of the suite's images is made of: the layer that its folder of
// images/ makes, if there is one, on top of those of the image that it begins with.
type recipe struct {
	from       string
	entrypoint []string
	cmd        []string
	user       string
}

// recipes are the images that conformance specs use. What runs in a container by
// itself is what upstream's images run, see
// https://github.com/kubernetes/kubernetes/tree/v1.37.2/test/images.
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

// image is an image to load: what it is made of, and its layers' files from the
// bottom.
type image struct {
	name string // with the registry and a tag
	recipe
	layers []string
}

// short is an image's name without registry and tag.
func (i image) short() string {
	name, _, _ := strings.Cut(strings.TrimPrefix(i.name, registry), ":")
	return name
}

// registry is where the suite's own images come from.
const registry = "registry.k8s.io/e2e-test-images/"

// images are all of the suite's images that there is a recipe for, in every version
// that its sources name. Layers that are not in the cache are built.
func (c conformance) images(ctx context.Context, p programs) ([]image, error) {
	out, err := exec.CommandContext(ctx, p.path("e2e.test"), "--list-images").Output()
	if err != nil {
		return nil, fmt.Errorf("asking the suite for its images: %w", err)
	}
	names := strings.Fields(string(out))
	slices.Sort(names) // they come in no order
	var list []image
	for _, name := range names {
		i := image{name: name}
		var known bool
		if i.recipe, known = recipes[i.short()]; !known {
			continue // of specs that are not of conformance
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
		return below, nil // the same files, run in another way
	}
	layer, err := c.layer(ctx, p, name, source)
	return append(below, layer), err
}

// layer runs an image's build script, unless the cache has what came of it with the
// same files and programs. The cache keeps one of each.
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
