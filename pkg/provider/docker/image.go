package docker

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/build"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/mkube/mkube/pkg/provider"
)

// Images gives access to the daemon's images. Its methods are safe for concurrent use.
type Images struct{ client *client.Client }

// NewImages returns the images of the daemon that c connects to.
func NewImages(c *client.Client) Images { return Images{c} }

// Load loads an image archive into the daemon.
func (i Images) Load(ctx context.Context, archive io.Reader) error {
	response, err := i.client.ImageLoad(ctx, archive, client.ImageLoadWithQuiet(true))
	if err != nil {
		return err
	}
	defer response.Body.Close()
	return messages(response.Body)
}

// Save returns an archive of images of the daemon. The caller closes it.
func (i Images) Save(ctx context.Context, ids []string) (io.ReadCloser, error) {
	body, err := i.client.ImageSave(ctx, ids)
	if err != nil {
		return nil, err
	}
	return &savedImages{ReadCloser: body, end: tail{limit: 4096}}, nil // bytes, enough for a message
}

// savedImages is an archive from the daemon. If saving fails after the archive has begun, the daemon
// appends a message, and ends the response as usual.
type savedImages struct {
	io.ReadCloser
	end tail
}

func (s *savedImages) Read(p []byte) (int, error) {
	n, err := s.ReadCloser.Read(p)
	_, _ = s.end.Write(p[max(0, n-s.end.limit):n]) // tail.Write returns no error
	if err != io.EOF {
		return n, err
	}
	if start := bytes.LastIndex(s.end.Bytes(), []byte(`{"errorDetail":`)); start >= 0 {
		if _, msgErr := builtID(bytes.NewReader(s.end.Bytes()[start:])); msgErr != nil {
			return n, fmt.Errorf("the Docker daemon failed to save the images: %w", msgErr)
		}
	}
	return n, io.EOF
}

// manifestsVersion is the first version of the API that can list the manifests of an image.
const manifestsVersion = "1.48"

// Inspect returns what the daemon knows about images, in the order of their names. A name may also
// be an ID, or the beginning of one. One error names all images that are missing.
func (i Images) Inspect(ctx context.Context, names []string) ([]provider.Image, error) {
	var opts []client.ImageInspectOption
	if i.client.NewVersionError(ctx, manifestsVersion, "manifests") == nil {
		opts = append(opts, client.ImageInspectWithManifests(true))
	}
	var list []provider.Image
	var missing []string
	for _, name := range names {
		inspect, err := i.client.ImageInspect(ctx, name, opts...)
		switch {
		case errdefs.IsNotFound(err):
			missing = append(missing, name)
		case err != nil:
			return nil, fmt.Errorf("inspecting image %s: %w", name, err)
		}
		list = append(list, imageOf(inspect))
	}
	switch len(missing) {
	case 0:
		return list, nil
	case 1:
		return nil, fmt.Errorf("image %s is not on the Docker daemon: docker pull %[1]s pulls it, docker build -t %[1]s builds it", missing[0])
	}
	return nil, fmt.Errorf("images %s are not on the Docker daemon: docker pull NAME pulls an image, docker build -t NAME builds it", strings.Join(missing, ", "))
}

// imageOf returns an image of the daemon. With containerd's image store, it may have several
// platforms, and its size is not that of the content.
func imageOf(inspect image.InspectResponse) provider.Image {
	i := provider.Image{ID: inspect.ID, Tags: inspect.RepoTags, Digests: inspect.RepoDigests}
	for _, m := range inspect.Manifests {
		if m.Kind == image.ManifestKindImage && m.Available && m.ImageData != nil {
			i.Platforms = append(i.Platforms, platform(m.ImageData.Platform))
			i.Size += m.Size.Content
		}
	}
	if len(inspect.Manifests) > 0 || inspect.Architecture == "" {
		return i
	}
	i.Platforms = []string{platform(ocispec.Platform{OS: inspect.Os, Architecture: inspect.Architecture, Variant: inspect.Variant})}
	if inspect.Descriptor == nil {
		i.Size = inspect.Size
	}
	return i
}

func platform(p ocispec.Platform) string { return path.Join(p.OS, p.Architecture, p.Variant) }

// Label returns the value of an image's label, "" if there is no such image or label.
func (i Images) Label(ctx context.Context, name, label string) (string, error) {
	inspect, err := i.client.ImageInspect(ctx, name)
	if errdefs.IsNotFound(err) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("inspecting image %s: %w", name, err)
	}
	return inspect.Config.Labels[label], nil
}

// Flatten adds Debian packages to an image, and writes the resulting root file system to w as a tar
// archive.
func (i Images) Flatten(ctx context.Context, name string, packages []string, w io.Writer) (err error) {
	id, err := i.build(ctx, fmt.Sprintf("FROM %s\nRUN apt-get update && "+
		"DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends %s && "+
		"apt-get clean && rm -rf /var/lib/apt/lists/*\n", name, strings.Join(packages, " ")))
	if err != nil {
		return fmt.Errorf("adding packages to %s: %w", name, err)
	}
	// The clean-up also runs after a canceled build.
	defer func() {
		after, cancel := cleaning(ctx)
		defer cancel()
		_, removeErr := i.client.ImageRemove(after, id, image.RemoveOptions{PruneChildren: true})
		err = errors.Join(err, removeErr)
	}()
	made, err := i.client.ContainerCreate(ctx, &container.Config{Image: id, Cmd: []string{"true"}}, nil, nil, nil, "")
	if err != nil {
		return err
	}
	defer func() {
		after, cancel := cleaning(ctx)
		defer cancel()
		err = errors.Join(err, i.client.ContainerRemove(after, made.ID, container.RemoveOptions{RemoveVolumes: true, Force: true}))
	}()
	export, err := i.client.ContainerExport(ctx, made.ID)
	if err != nil {
		return err
	}
	defer export.Close()
	_, err = io.Copy(w, export)
	return err
}

// cleaning returns a context for a clean-up that starts now, and outlives a canceled command.
func cleaning(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
}

// build builds a Dockerfile that needs no other files, and returns the ID of the image.
func (i Images) build(ctx context.Context, dockerfile string) (string, error) {
	var files bytes.Buffer
	out := tar.NewWriter(&files)
	if err := out.WriteHeader(&tar.Header{Name: "Dockerfile", Mode: 0o644, Size: int64(len(dockerfile))}); err != nil {
		return "", err
	}
	if _, err := io.WriteString(out, dockerfile); err != nil {
		return "", err
	}
	if err := out.Close(); err != nil {
		return "", err
	}
	response, err := i.client.ImageBuild(ctx, &files, build.ImageBuildOptions{Remove: true, ForceRemove: true})
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	return builtID(response.Body)
}

// message is one line of the daemon's output of a build or a load.
type message struct {
	Stream string `json:"stream"`
	Error  string `json:"error"`
	Aux    struct {
		ID string `json:"ID"`
	} `json:"aux"`
}

func messages(r io.Reader) error {
	_, err := builtID(r)
	return err
}

// builtID reads the daemon's messages to their end, and returns the ID of the image. If one of them
// is an error, it returns that with the last lines of output before it.
func builtID(r io.Reader) (id string, err error) {
	var last tail
	last.limit = 2000 // bytes, enough for the last lines
	for decoder := json.NewDecoder(r); ; {
		var m message
		if err := decoder.Decode(&m); err == io.EOF {
			return id, nil
		} else if err != nil {
			return "", err
		}
		if m.Error != "" {
			return "", errors.New(strings.TrimSpace(m.Error + "\n" + last.String()))
		}
		if m.Aux.ID != "" {
			id = m.Aux.ID
		}
		_, _ = last.Write([]byte(m.Stream)) // tail.Write returns no error
	}
}
