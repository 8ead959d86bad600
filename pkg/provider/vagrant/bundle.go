package vagrant

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/mkube/mkube/pkg/provider"
)

// infoPath is the first entry of a bundle, which describes it. Package nodeimage writes it.
const infoPath = "usr/share/mkube/bundle.json"

// bundleInfo is the description in a bundle.
type bundleInfo struct {
	Inputs   string            `json:"inputs"`
	Versions provider.Versions `json:"versions"`
}

// bundle returns the file of a node image, and the description in it.
func (p *Provider) bundle(image string) (file string, info bundleInfo, err error) {
	file = image
	if version, named := strings.CutPrefix(image, "mkube/node:"); named {
		file = filepath.Join(p.o.Bundles, version+".tar")
	}
	f, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return "", info, fmt.Errorf("bundle %s does not exist: %s creates it", file, buildCommand(image, file))
	}
	if err != nil {
		return "", info, fmt.Errorf("reading the bundle of the node image: %w", err)
	}
	defer f.Close()
	r := tar.NewReader(f)
	h, err := r.Next()
	if err != nil || h.Name != infoPath || json.NewDecoder(r).Decode(&info) != nil {
		return "", info, fmt.Errorf("%s is not a bundle of a node image: mkube build node-image --bundle FILE creates one", file)
	}
	return file, info, nil
}

func buildCommand(image, file string) string {
	command := "mkube build node-image --bundle " + file
	if version, named := strings.CutPrefix(image, "mkube/node:"); named {
		command += " --kubernetes-version " + version
	}
	return command
}
