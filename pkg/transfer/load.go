// Package transfer copies images into the nodes of a cluster, and logs out of them.
package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/containerd/platforms"
	"github.com/distribution/reference"

	"github.com/mkube/mkube/pkg/progress"
	"github.com/mkube/mkube/pkg/provider"
)

// Images is the image store of a container engine.
type Images interface {
	// Inspect returns what the engine knows about images, in the order of their names. A name may
	// also be the beginning of an ID. If images are missing, one error names all of them.
	Inspect(ctx context.Context, names []string) ([]provider.Image, error)
	// Save writes images as one archive. It takes the IDs of images.
	Save(ctx context.Context, ids []string) (io.ReadCloser, error)
}

// Load is the plan of which images of an engine to load into which nodes.
type Load struct {
	// Images lists the images that some node lacks, by the names that the user wrote. Nodes lists
	// the nodes that lack one.
	Images []string
	Nodes  []string
	// Present lists the images that each node has already, by the name of the node.
	Present map[string][]string

	wanted []wanted
	nodes  []*nodeImages
}

// wanted is an image of an engine, and the names that the nodes get for it.
type wanted struct {
	text  string
	image provider.Image
	names []string
}

// PlanLoad compares the images of an engine with those of nodes. A name without a tag gets the tag
// "latest". An image that is named by its tag gets that name, and its digests in the same
// repository. An image that is named by its ID gets all names that the engine has for it. One error
// reports all invalid names, or all images that cannot run on a node.
func PlanLoad(ctx context.Context, from Images, names []string, nodes []provider.Node) (Load, error) {
	names, err := tagged(names)
	if err != nil {
		return Load{}, err
	}
	images, err := from.Inspect(ctx, names)
	if err != nil {
		return Load{}, err
	}
	there, err := imagesOnAll(ctx, nodes)
	if err != nil {
		return Load{}, err
	}
	plan := Load{Present: map[string][]string{}}
	var mistakes mistakes
	for i, text := range names {
		w := wanted{text, images[i], namesFor(text, images[i])}
		for _, n := range there {
			switch node := n.node.Name(); {
			case n.has(w.image.ID, w.names):
				plan.Present[node] = append(plan.Present[node], text)
			case !plan.add(w, n):
				mistakes.add(text, n, &otherPlatformError{normal(w.image.Platforms)})
			}
		}
	}
	return plan, mistakes.error()
}

// add adds an image and a node to the plan. It returns false if the image is for other platforms.
func (l *Load) add(w wanted, n *nodeImages) bool {
	able := ability(n.platform)
	matches := func(name string) bool {
		p, err := platforms.Parse(name)
		return err != nil || able.Match(p)
	}
	if len(w.image.Platforms) > 0 && !slices.ContainsFunc(w.image.Platforms, matches) {
		return false
	}
	if !slices.Contains(l.Images, w.text) {
		l.Images, l.wanted = append(l.Images, w.text), append(l.wanted, w)
	}
	if !slices.Contains(l.nodes, n) {
		l.Nodes, l.nodes = append(l.Nodes, n.node.Name()), append(l.nodes, n)
	}
	return true
}

// normal returns the texts of platforms that an engine has named.
func normal(list []string) []string {
	list = slices.Clone(list)
	for i, name := range list {
		if p, err := platforms.Parse(name); err == nil {
			list[i] = platformText(p)
		}
	}
	return list
}

// Run loads the images into all nodes at the same time, and returns the nodes that have them. It
// saves them once, and never holds them in memory as a whole. on receives an event for each node
// and may be nil.
func (l Load) Run(ctx context.Context, from Images, on progress.Func) (have []string, err error) {
	if len(l.Images) == 0 {
		return nil, nil
	}
	var ids []string
	var size int64
	for _, w := range l.wanted {
		if !slices.Contains(ids, w.image.ID) {
			ids, size = append(ids, w.image.ID), size+w.image.Size
		}
	}
	text := strings.Join(l.Images, ", ")
	d := &delivery{archive: &Archive{size: size}, nodes: l.nodes, find: l.find, short: text, begins: "the engine saves", on: on}
	d.save = func(ctx context.Context) (io.ReadCloser, error) {
		saved, err := from.Save(ctx, ids)
		if err != nil {
			return nil, fmt.Errorf("saving %s: %w", text, err)
		}
		return saved, nil
	}
	return d.run(ctx)
}

// find returns the wanted images of an archive that an engine has saved by ID.
func (l Load) find(c *contents) ([]*image, error) {
	list, err := c.images()
	if err != nil {
		return nil, err
	}
	var found []*image
	var missing []string
	for _, w := range l.wanted {
		i := slices.IndexFunc(list, func(i *image) bool { return i.is(w.image.ID) })
		if i < 0 {
			missing = append(missing, w.text)
			continue
		}
		found = append(found, &image{name: w.text, given: w.names, variants: list[i].variants})
	}
	if len(missing) > 0 {
		return nil, fmt.Errorf("the engine did not save %s", strings.Join(missing, ", "))
	}
	return found, nil
}

// is reports whether an engine identifies the image by id.
func (i *image) is(id string) bool {
	return i.digest.String() == id || slices.ContainsFunc(i.variants, func(v variant) bool {
		return v.manifest.Digest.String() == id || v.id == id
	})
}

// shortID matches the beginning of an ID.
var shortID = regexp.MustCompile(`^[0-9a-f]{4,63}$`)

// tagged adds the tag "latest" to each name that has neither tag nor digest, unless it may be an ID.
// Duplicates are removed.
func tagged(names []string) ([]string, error) {
	var list []string
	var errs []error
	for _, name := range names {
		ref, err := reference.ParseAnyReference(name)
		if err != nil {
			errs = append(errs, fmt.Errorf("invalid image name %q: %w", name, err))
			continue
		}
		if named, ok := ref.(reference.Named); ok && !shortID.MatchString(name) {
			name = reference.FamiliarString(reference.TagNameOnly(named))
		}
		if !slices.Contains(list, name) {
			list = append(list, name)
		}
	}
	return list, errors.Join(errs...)
}

// namesFor returns the names that the nodes get for an image of an engine.
func namesFor(text string, i provider.Image) []string {
	names := append(canonicalNames(i.Tags), canonicalNames(i.Digests)...)
	ref, err := reference.ParseDockerRef(text)
	if err != nil || isID(text, i) {
		return names
	}
	if _, byDigest := ref.(reference.Digested); byDigest {
		return []string{ref.String()}
	}
	names = slices.DeleteFunc(names, func(name string) bool {
		return !strings.HasPrefix(name, ref.Name()+"@") || name == ref.String()
	})
	return append([]string{ref.String()}, names...)
}

// isID reports whether text is the ID of an image or its beginning, and no tag of it.
func isID(text string, i provider.Image) bool {
	id := strings.TrimPrefix(text, "sha256:")
	return id != "" && strings.HasPrefix(strings.TrimPrefix(i.ID, "sha256:"), id) && !slices.Contains(i.Tags, text)
}
