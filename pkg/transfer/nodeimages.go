package transfer

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/containerd/platforms"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/mkube/mkube/pkg/provider"
)

// nodeImages is what the containerd of a node has and can run.
type nodeImages struct {
	node     provider.Node
	platform ocispec.Platform
	// targets has the digest of the manifest or index of each name.
	targets map[string]string
}

// listImages lists the platform of the node, and its images, each with the digest of a manifest or
// of an index. crictl does not print that digest for an imported image.
var listImages = []string{"sh", "-c", "ctr plugins list id==overlayfs && exec ctr --namespace k8s.io images list"}

// imagesOnAll asks all nodes at the same time. The error names each node that does not answer.
func imagesOnAll(ctx context.Context, nodes []provider.Node) ([]*nodeImages, error) {
	list := make([]*nodeImages, len(nodes))
	errs := make([]error, len(nodes))
	var wait sync.WaitGroup
	for i, n := range nodes {
		wait.Go(func() { list[i], errs[i] = imagesOn(ctx, n) })
	}
	wait.Wait()
	return list, errors.Join(errs...)
}

func imagesOn(ctx context.Context, n provider.Node) (*nodeImages, error) {
	out, err := provider.Output(ctx, n, listImages...)
	if err != nil {
		return nil, fmt.Errorf("listing the images on %s: %w", n.Name(), err)
	}
	list := &nodeImages{node: n, targets: map[string]string{}}
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		switch {
		case len(fields) < 3:
		case fields[0] == "io.containerd.snapshotter.v1": // TYPE, ID, PLATFORMS and STATUS
			if list.platform, err = platforms.Parse(fields[2]); err != nil {
				return nil, fmt.Errorf("the platform of %s: %w", n.Name(), err)
			}
		case strings.Contains(fields[2], ":"): // REF, TYPE, DIGEST and others
			list.targets[fields[0]] = fields[2]
		}
	}
	if list.platform.OS == "" {
		return nil, fmt.Errorf("containerd on %s does not tell its platform: %q", n.Name(), out)
	}
	return list, nil
}

// has reports whether the node has the image of an engine under all these names. The image has
// several digests:
//
//   - that of the configuration, which is the image ID in an engine with its own image store, and a
//     name on a node
//   - that of the manifest or index, which is the image ID in an engine with containerd's store. On
//     the node, it is the target of the name, or part of another name of the same target.
//
// A target that has no name by its configuration is an image for another platform, which no pod can
// use.
func (l *nodeImages) has(id string, names []string) bool {
	usable, same := map[string]bool{}, map[string]bool{id: true}
	for name, target := range l.targets {
		if name == id || strings.HasSuffix(name, "@"+id) {
			same[target] = true
		}
		if strings.HasPrefix(name, "sha256:") {
			usable[target] = true
		}
	}
	is := func(target string) bool { return same[target] && usable[target] }
	if len(names) == 0 {
		return slices.ContainsFunc(slices.Collect(maps.Values(l.targets)), is)
	}
	return !slices.ContainsFunc(names, func(name string) bool { return !is(l.targets[name]) })
}

// undoLimit is the time limit to undo an import that has failed.
const undoLimit = 20 * time.Second

// undo restores the names that a failed import has changed. ctr sets all names first, and then
// unpacks the layers. If that fails, the names mean an image that no pod can use. undo does not stop
// when ctx is canceled.
func (l *nodeImages) undo(ctx context.Context, names []string) error {
	if len(names) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoLimit)
	defer cancel()
	now, err := imagesOn(ctx, l.node)
	if err != nil {
		return err
	}
	var errs []error
	var added []string
	for _, name := range names {
		before := l.targets[name]
		source := now.nameOf(before)
		switch {
		case now.targets[name] == before:
		case source != "":
			// With --skip-reference-check, a name can be a digest alone.
			_, err := provider.Output(ctx, l.node, "ctr", "--namespace", "k8s.io", "images", "tag", "--local", "--force",
				"--skip-reference-check", source, name)
			errs = append(errs, err)
		default:
			added = append(added, name)
		}
	}
	if len(added) > 0 {
		_, err := provider.Output(ctx, l.node, append([]string{"ctr", "--namespace", "k8s.io", "images", "remove"}, added...)...)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// nameOf returns a name of a target, or "".
func (l *nodeImages) nameOf(target string) string {
	for name, t := range l.targets {
		if t == target {
			return name
		}
	}
	return ""
}
