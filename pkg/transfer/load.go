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

// Images are a container engine's images.
type Images interface {
	// IDs are the digests that identify images, in the order of their names. All
	// images that are not there are named in one error.
	IDs(ctx context.Context, names []string) ([]string, error)
	// Save writes images as one archive.
	Save(ctx context.Context, names []string) (io.ReadCloser, error)
}

// Load is which images are to go where.
type Load struct {
	// Images are those that some node lacks, and Nodes the nodes that lack one.
	Images []string
	Nodes  []provider.Node
	// Present are the images that each node, by name, has already.
	Present map[string][]string
}

// PlanLoad compares an engine's images with those of nodes. A name without a tag
// means the tag "latest". All names that are wrong are told in one error.
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

// Run loads the images into all the nodes at once. They are saved once, and never
// wholly in memory.
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

// tagged gives each name that has neither tag nor digest the tag "latest": an
// engine would save every tag of it.
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

// present tells, by node and image, whether the node has it. A node that cannot
// say has none: loading will tell what is wrong with it.
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

// canonical is a name as containerd keeps it.
func canonical(name string) string {
	ref, err := reference.ParseAnyReference(name)
	if err != nil {
		return name
	}
	return ref.String()
}

// listImages lists the images of a node with the digest of what each is: of a manifest,
// or of an index of those for several platforms. crictl would not tell that digest of
// an image that was imported.
var listImages = []string{"ctr", "--namespace", "k8s.io", "images", "list"}

// imagesOn is what identifies a node's images, by name: the digest of the
// configuration, which is the ID where the engine keeps images by itself, and that of
// the manifest or index, which is the ID where containerd keeps them for it. containerd's
// CRI plugin gives each image that it can run the digest of its configuration as a further
// name: one without is none that a pod finds, such as one for another platform.
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

// importImages reads an archive on a node, see
// https://github.com/containerd/containerd/blob/main/docs/cri/crictl.md#directly-load-a-container-image.
// Local means that ctr itself reads the archive: handed to containerd through its
// transfer service, 100 MB take half as long again. The layers are not kept beside
// what they are unpacked to. Images without a name are called by their digest; were
// those with a name too, that second name would keep their content after the first
// is removed.
var importImages = []string{
	"ctr", "--namespace", "k8s.io", "images", "import", "--local", "--snapshotter", "overlayfs",
	"--discard-unpacked-layers", "--digests", "--skip-digest-for-named", "-",
}

// noPlatform is in what ctr says of an image that lacks the node's platform, see
// https://github.com/containerd/containerd/blob/main/core/images/image.go.
const noPlatform = "no match for platform"

// LoadArchive reads an image archive (docker save's or an OCI layout, as tar or
// tar.gz) into nodes, all at once and no faster than the slowest reads.
func LoadArchive(ctx context.Context, archive io.Reader, nodes []provider.Node) error {
	archive, err := plain(archive)
	if err != nil {
		return err
	}
	return fanOut(archive, nodes, func(n provider.Node, archive io.Reader) error {
		err := n.Run(ctx, provider.Cmd{Args: importImages, Stdin: archive})
		if exit := (*provider.ExitError)(nil); errors.As(err, &exit) {
			// The lines before are containerd's warnings about the host.
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

// plain unpacks an archive that is compressed by gzip (RFC 1952).
func plain(archive io.Reader) (io.Reader, error) {
	buffered := bufio.NewReader(archive)
	if magic, _ := buffered.Peek(2); string(magic) != "\x1f\x8b" {
		return buffered, nil
	}
	unpacked, err := gzip.NewReader(buffered)
	if err != nil {
		return nil, fmt.Errorf("reading the archive: %w", err)
	}
	return unpacked, nil
}

// fanOut calls f for all nodes at once, each with a stream of its own of what is
// read from source. A node that fails does not keep the others from their copy.
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
		// What the nodes say of half an archive is but its consequence.
		return fmt.Errorf("reading the archive: %w", err)
	}
	return errors.Join(errs...)
}

// errReaderGone is the error of a write when the reader of its data has ended.
var errReaderGone = errors.New("the reader has ended")

// copyToAll copies until the source ends or no writer wants more. Its error is the
// source's.
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
