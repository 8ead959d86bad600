package transfer

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/mkube/mkube/internal/testing/fake"
	"github.com/mkube/mkube/pkg/provider"
)

// ctrNode is a node with images in memory. It runs the commands of ctr that a load uses.
type ctrNode struct {
	name, platform string
	// unpackErr is the error of an import after the names were set. importErr is that of an import
	// that reads at most importLimit bytes.
	unpackErr, importErr error
	importLimit          int64

	mu       sync.Mutex
	images   map[string]string // targets by name
	commands []string
	took     int64 // bytes of imports
}

func newCtrNode(name string) *ctrNode {
	return &ctrNode{name: name, platform: "linux/amd64", images: map[string]string{}}
}

func (n *ctrNode) node() provider.Node { return fake.Scripted{NodeName: n.name, RunFunc: n.run} }

// names returns the names of the images except their IDs, sorted.
func (n *ctrNode) names() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	all := slices.Sorted(maps.Keys(n.images))
	return strings.Join(slices.DeleteFunc(all, func(name string) bool { return strings.HasPrefix(name, "sha256:") }), " ")
}

func (n *ctrNode) run(ctx context.Context, cmd provider.Cmd) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	line := strings.TrimPrefix(strings.Join(cmd.Args, " "), "ctr --namespace k8s.io images ")
	switch {
	case cmd.Args[0] == "sh":
		_, err := io.WriteString(cmd.Stdout, n.list())
		return err
	case strings.HasPrefix(line, "import "):
		return n.imports(ctx, cmd.Stdin)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.commands = append(n.commands, line)
	args := strings.Fields(line)
	switch args[0] {
	case "tag": // --local --force --skip-reference-check SOURCE TARGET
		n.images[args[5]] = n.images[args[4]]
	case "remove":
		for _, name := range args[1:] {
			delete(n.images, name)
		}
	default:
		return fmt.Errorf("unexpected command %q", line)
	}
	return nil
}

// list is the output of listImages.
func (n *ctrNode) list() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	out := "TYPE ID PLATFORMS STATUS\nio.containerd.snapshotter.v1 overlayfs " + n.platform + " ok\nREF TYPE DIGEST SIZE PLATFORMS LABELS\n"
	for _, name := range slices.Sorted(maps.Keys(n.images)) {
		out += name + " application/vnd.oci.image.manifest.v1+json " + n.images[name] + " 1.9 MiB linux/amd64 io.cri-containerd.image=managed\n"
	}
	return out
}

// imports does the same as ctr: it reads the whole archive, sets the names in its index, and then
// unpacks the layers.
func (n *ctrNode) imports(ctx context.Context, in io.Reader) error {
	if n.importErr != nil {
		_, _ = io.CopyN(io.Discard, in, n.importLimit)
		return n.importErr
	}
	blobs := map[string]string{} // by digest
	special := map[string]string{}
	for r := tar.NewReader(in); ; {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return exitError("ctr: " + err.Error())
		}
		data, err := io.ReadAll(r)
		if err != nil {
			return exitError("ctr: " + err.Error())
		}
		n.mu.Lock()
		n.took += int64(len(data))
		n.mu.Unlock()
		if h.Name == "index.json" || h.Name == "oci-layout" {
			special[h.Name] = string(data)
			continue
		}
		blobs[digest.FromBytes(data).String()] = string(data)
	}
	if special["oci-layout"] == "" {
		return exitError("level=warning msg=old\nctr: unrecognized image format")
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	var index ocispec.Index
	if err := json.Unmarshal([]byte(special["index.json"]), &index); err != nil {
		return exitError("ctr: " + err.Error())
	}
	return n.unpack(index, blobs)
}

func (n *ctrNode) unpack(index ocispec.Index, blobs map[string]string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, d := range index.Manifests {
		n.images[d.Annotations["io.containerd.image.name"]] = d.Digest.String()
	}
	if n.unpackErr != nil {
		return n.unpackErr
	}
	for _, d := range index.Manifests {
		var m ocispec.Manifest
		if err := json.Unmarshal([]byte(blobs[d.Digest.String()]), &m); err != nil {
			return exitError("ctr: content digest " + d.Digest.String() + ": not found")
		}
		for _, part := range append(m.Layers, m.Config) {
			if data, ok := blobs[part.Digest.String()]; !ok || int64(len(data)) != part.Size {
				return exitError("ctr: content digest " + part.Digest.String() + ": not found")
			}
		}
		if d.Size != int64(len(blobs[d.Digest.String()])) || m.Config.MediaType == "" {
			return exitError(fmt.Sprintf("ctr: wrong descriptor %+v", d))
		}
	}
	return nil
}

func exitError(stderr string) error {
	return &provider.ExitError{Node: "n", Args: []string{"ctr"}, Code: 1, Stderr: stderr + "\n"}
}

// errNoRoom is an error of ctr.
var errNoRoom = errors.New("no room")
