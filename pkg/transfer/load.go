// Package transfer copies images into the nodes of a cluster, and logs out of them.
package transfer

import (
	"bufio"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/distribution/reference"

	"github.com/mkube/mkube/pkg/provider"
)

// Images is the image store of a container engine.
type Images interface {
	// IDs returns the digests that identify images, in the order of their names. If images are
	// missing, one error names all of them.
	IDs(ctx context.Context, names []string) ([]string, error)
	// Save writes images as one archive.
	Save(ctx context.Context, names []string) (io.ReadCloser, error)
}

// Load is the plan of which images to load into which nodes.
type Load struct {
	// Images lists the images that some node lacks, and Nodes the nodes that lack one.
	Images []string
	Nodes  []provider.Node
	// Present lists the images that each node has already, by the name of the node.
	Present map[string][]string
}

// PlanLoad compares the images of an engine with those of nodes. A name without a tag gets the tag
// "latest". One error reports all invalid names.
func PlanLoad(ctx context.Context, from Images, names []string, nodes []provider.Node) (Load, error) {
	names, err := tagged(names)
	if err != nil {
		return Load{}, err
	}
	ids, err := from.IDs(ctx, names)
	if err != nil {
		return Load{}, err
	}
	plan := Load{Present: map[string][]string{}}
	for i, there := range present(ctx, nodes, names, ids) {
		for j, name := range names {
			switch {
			case there[j]:
				plan.Present[nodes[i].Name()] = append(plan.Present[nodes[i].Name()], name)
			case !slices.Contains(plan.Images, name):
				plan.Images = append(plan.Images, name)
			}
		}
		if slices.Contains(there, false) {
			plan.Nodes = append(plan.Nodes, nodes[i])
		}
	}
	return plan, nil
}

// Run loads the images into all nodes at the same time. It saves them once, and never holds them
// in memory as a whole.
func (l Load) Run(ctx context.Context, from Images) error {
	if len(l.Images) == 0 {
		return nil
	}
	archive, err := from.Save(ctx, l.Images)
	if err != nil {
		return fmt.Errorf("saving %s: %w", strings.Join(l.Images, ", "), err)
	}
	defer archive.Close()
	return LoadArchive(ctx, archive, l.Nodes)
}

// tagged adds the tag "latest" to each name that has neither tag nor digest. For a name without a
// tag, an engine would save all tags. Duplicates are removed.
func tagged(names []string) ([]string, error) {
	var list []string
	var errs []error
	for _, name := range names {
		ref, err := reference.ParseAnyReference(name)
		if err != nil {
			errs = append(errs, fmt.Errorf("invalid image name %q: %w", name, err))
			continue
		}
		if named, ok := ref.(reference.Named); ok {
			name = reference.FamiliarString(reference.TagNameOnly(named))
		}
		if !slices.Contains(list, name) {
			list = append(list, name)
		}
	}
	return list, errors.Join(errs...)
}

// present reports, by node and image, whether the node has the image. A node that does not answer
// has none: the load reports the reason.
func present(ctx context.Context, nodes []provider.Node, names, ids []string) [][]bool {
	result := make([][]bool, len(nodes))
	var wait sync.WaitGroup
	for i, n := range nodes {
		wait.Go(func() {
			there := imagesOn(ctx, n)
			for j, name := range names {
				result[i] = append(result[i], slices.Contains(there[canonical(name)], ids[j]))
			}
		})
	}
	wait.Wait()
	return result
}

// canonical returns a name in the form in which containerd stores it.
func canonical(name string) string {
	ref, err := reference.ParseAnyReference(name)
	if err != nil {
		return name
	}
	return ref.String()
}

// listImages lists the images of a node, each with the digest of a manifest, or of an index of
// manifests for several platforms. crictl does not print that digest for an imported image.
var listImages = []string{"ctr", "--namespace", "k8s.io", "images", "list"}

// imagesOn returns the digests that identify the images of a node, by name. They are:
//
//   - the digest of the configuration, which is the image ID in an engine with its own image store
//   - the digest of the manifest or index, which is the image ID in an engine with containerd's store
//
// containerd's CRI plugin adds the digest of the configuration as another name to each image that
// it can run. imagesOn omits an image without that name, such as one for another platform, because
// no pod can use it.
func imagesOn(ctx context.Context, n provider.Node) map[string][]string {
	out, err := provider.Output(ctx, n, listImages...)
	if err != nil {
		return nil
	}
	targets, configs := map[string]string{}, map[string]string{}
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line) // REF, TYPE, DIGEST and others
		if len(fields) < 3 {
			continue
		}
		name, target := fields[0], fields[2]
		targets[name] = target
		if strings.HasPrefix(name, "sha256:") {
			configs[target] = name
		}
	}
	images := map[string][]string{}
	for name, target := range targets {
		if config, ok := configs[target]; ok {
			digests := []string{config, target}
			images[name], images[target] = digests, digests
		}
	}
	return images
}

// importImages imports an archive on a node, see
// https://github.com/containerd/containerd/blob/main/docs/cri/crictl.md#directly-load-a-container-image.
//
// With --local, ctr itself reads the archive. Through containerd's transfer service, 100 MB take
// half as long again. With --discard-unpacked-layers, containerd does not keep the compressed
// layers in addition to the unpacked ones. With --digests, images without a name are named by
// their digest. With --skip-digest-for-named, other images do not get such a second name, which
// would keep their content after the first name is removed.
var importImages = []string{
	"ctr", "--namespace", "k8s.io", "images", "import", "--local", "--snapshotter", "overlayfs",
	"--discard-unpacked-layers", "--digests", "--skip-digest-for-named", "-",
}

// noPlatform is part of ctr's error for an image that lacks the platform of the node, see
// https://github.com/containerd/containerd/blob/main/core/images/image.go.
const noPlatform = "no match for platform"

// LoadArchive imports an image archive (output of docker save or an OCI layout, as tar or tar.gz)
// into nodes. It feeds all nodes at the same time, at the speed of the slowest.
func LoadArchive(ctx context.Context, archive io.Reader, nodes []provider.Node) error {
	archive, err := plain(archive)
	if err != nil {
		return err
	}
	return fanOut(archive, nodes, func(n provider.Node, archive io.Reader) error {
		err := n.Run(ctx, provider.Cmd{Args: importImages, Stdin: archive})
		if exit := (*provider.ExitError)(nil); errors.As(err, &exit) {
			// The lines before the last are containerd's warnings about the host.
			reason := exit.Reason()
			err = errors.New(reason[strings.LastIndexByte(reason, '\n')+1:])
			if strings.Contains(reason, noPlatform) {
				err = fmt.Errorf("%w: the platform of the image is not that of the node: set --platform of docker build or docker pull", err)
			}
		}
		if err != nil {
			return fmt.Errorf("loading into %s: %w", n.Name(), err)
		}
		return nil
	})
}

// plain returns the uncompressed content of an archive, which may be compressed by gzip (RFC
// 1952).
func plain(archive io.Reader) (io.Reader, error) {
	buffered := bufio.NewReader(archive)
	// Peek fails if the archive is shorter: then it has no magic number.
	if magic, _ := buffered.Peek(2); string(magic) != "\x1f\x8b" {
		return buffered, nil
	}
	unpacked, err := gzip.NewReader(buffered)
	if err != nil {
		return nil, fmt.Errorf("reading the archive: %w", err)
	}
	return unpacked, nil
}

// fanOut calls f for all nodes at the same time, each with its own copy of source. If f fails for
// a node, the other nodes still get their copies.
func fanOut(source io.Reader, nodes []provider.Node, f func(provider.Node, io.Reader) error) error {
	errs := make([]error, len(nodes))
	copies := make([]*io.PipeWriter, len(nodes))
	var wait sync.WaitGroup
	for i, n := range nodes {
		var copied *io.PipeReader
		copied, copies[i] = io.Pipe()
		wait.Go(func() {
			errs[i] = f(n, copied)
			copied.CloseWithError(errReaderGone)
		})
	}
	err := copyToAll(copies, source)
	for _, c := range copies {
		c.CloseWithError(err)
	}
	wait.Wait()
	if err != nil {
		// The errors of the nodes are only consequences of the incomplete archive.
		return fmt.Errorf("reading the archive: %w", err)
	}
	return errors.Join(errs...)
}

// errReaderGone is the error of a write after the reader has ended.
var errReaderGone = errors.New("the reader has ended")

// copyToAll copies until source ends or no writer accepts more. It returns the error of source.
func copyToAll(to []*io.PipeWriter, source io.Reader) error {
	to = slices.Clone(to)
	buffer := make([]byte, 1<<20)
	for len(to) > 0 {
		n, err := source.Read(buffer)
		to = slices.DeleteFunc(to, func(w *io.PipeWriter) bool {
			_, err := w.Write(buffer[:n])
			return err != nil
		})
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}
