package cli

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"

	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/nodeimage"
)

// clusterConfig returns the cluster that the flags and the file describe, valid and with all
// defaults. The error contains all mistakes of both.
func (a app) clusterConfig(o createOptions) (config.Cluster, error) {
	image, errs := nodeImage(o)
	if o.wait < 0 {
		errs = append(errs, fmt.Errorf("--wait must not be negative: %s", o.wait))
	}
	other := image // than that of the release whose flags and fields mkube knows
	if image == nodeimage.Name(kubernetesVersion) {
		other = ""
	}
	c, err := a.configFile(o.config, other)
	if err != nil {
		errs = append(errs, err)
	}
	c.Name = cmp.Or(o.name, c.Name, a.clusterName(""))
	if err := countNodes(&c, o); err != nil {
		errs = append(errs, err)
	}
	for _, name := range o.addons {
		c.Addons = append(c.Addons, subtract([]string{name}, c.Addons)...)
	}
	c = c.Default().WithImage(image)
	if err := o.apply(&c); err != nil {
		errs = append(errs, err)
	}
	c, err = c.WithFiles()
	errs = append(errs, err, c.Validate())
	return c, errors.Join(errs...)
}

// countNodes adds the nodes that --control-planes and --workers count. It returns an error if the
// flags are invalid, or if the configuration lists nodes.
func countNodes(c *config.Cluster, o createOptions) error {
	switch {
	case !o.counted:
		return nil
	case len(c.Nodes) > 0:
		return errors.New("--control-planes and --workers cannot be combined with a configuration file that lists nodes: change the list, or remove it")
	case o.controlPlanes < 1:
		return fmt.Errorf("--control-planes must be at least 1, not %d", o.controlPlanes)
	case o.workers < 0:
		return fmt.Errorf("--workers must not be negative: %d", o.workers)
	case o.controlPlanes > 1000 || o.workers > 1000:
		return errors.New("--control-planes and --workers must be at most 1000")
	}
	for range o.controlPlanes {
		c.Nodes = append(c.Nodes, config.Node{Role: config.ControlPlane})
	}
	for range o.workers {
		c.Nodes = append(c.Nodes, config.Node{Role: config.Worker})
	}
	return nil
}

// configFile loads the configuration. If path is empty, it returns an empty one; "-" is standard
// input. image is that of config.Load.
func (a app) configFile(path, image string) (config.Cluster, error) {
	switch path {
	case "":
		return config.Cluster{}, nil
	case "-":
		return config.Load(a.in, "standard input", image)
	}
	f, err := os.Open(path)
	if err != nil {
		return config.Cluster{}, fmt.Errorf("--config: %w", err)
	}
	defer f.Close()
	return config.Load(f, path, image)
}

var release = regexp.MustCompile(`^v1\.\d+\.\d+(-(alpha|beta|rc)\.\d+)?$`)

// releaseOf returns a Kubernetes release in the form that image names use. In version, the "v" may
// be missing.
func releaseOf(version string) (string, error) {
	v := "v" + strings.TrimPrefix(version, "v")
	if !release.MatchString(v) {
		return "", fmt.Errorf("--kubernetes-version must be a release such as %s, not %q", kubernetesVersion, version)
	}
	return v, nil
}

// nodeImage returns the image of nodes for which the configuration file sets none.
func nodeImage(o createOptions) (image string, errs []error) {
	version := kubernetesVersion
	if o.kubernetesVersion != "" {
		var err error
		if version, err = releaseOf(o.kubernetesVersion); err != nil {
			errs = append(errs, err)
		}
		if o.image != "" {
			errs = append(errs, errors.New("--image and --kubernetes-version cannot be combined: the image determines the version"))
		}
	}
	return cmp.Or(o.image, nodeimage.Name(version)), errs
}
