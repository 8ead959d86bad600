package docker

import (
	"testing"

	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/storage"
	dockerspec "github.com/moby/docker-image-spec/specs-go/v1"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/mkube/mkube/pkg/names"
)

// TestPartsFolder checks the order: layers are listed from the bottom, the driver's folders from
// the top.
func TestPartsFolder(t *testing.T) {
	t.Parallel()
	inspect := func(driver, label, lower string) image.InspectResponse {
		return image.InspectResponse{
			GraphDriver: storage.DriverData{Name: driver, Data: map[string]string{"UpperDir": "/d/rootfs", "LowerDir": lower}},
			RootFS:      image.RootFS{Layers: []string{"sha256:base", "sha256:parts", "sha256:rootfs"}},
			Config:      &dockerspec.DockerOCIImageConfig{ImageConfig: ocispec.ImageConfig{Labels: map[string]string{names.LabelParts: label}}},
		}
	}
	for name, test := range map[string]struct {
		inspect image.InspectResponse
		want    string
	}{
		"fuse-overlayfs":          {inspect("fuse-overlayfs", "sha256:parts", "/d/parts:/d/base"), "/d/parts/usr/share/mkube"},
		"overlay2 needs it not":   {inspect("overlay2", "sha256:parts", "/d/parts:/d/base"), ""},
		"an image without parts":  {inspect("fuse-overlayfs", "", "/d/parts:/d/base"), ""},
		"folders that do not fit": {inspect("fuse-overlayfs", "sha256:parts", "/d/all"), ""},
	} {
		if got := partsFolder(test.inspect); got != test.want {
			t.Errorf("%s: partsFolder = %q; want %q", name, got, test.want)
		}
	}
}

func TestBuildCommand(t *testing.T) {
	t.Parallel()
	for image, want := range map[string]string{
		"mkube/node:v1.36.4": "mkube build node-image --kubernetes-version v1.36.4",
		"mine:1":             "mkube build node-image --image mine:1",
	} {
		if got := buildCommand(image); got != want {
			t.Errorf("buildCommand(%s) = %s; want %s", image, got, want)
		}
	}
}
