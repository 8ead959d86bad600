package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"

	"github.com/mkube/mkube/pkg/nodeimage"
)

// programs are the programs that suite/go.mod pins: the tests, their runner, and the programs of
// their images.
type programs struct {
	dir string
	// kubernetes is the folder of Kubernetes' sources.
	kubernetes string
}

func (p programs) path(name string) string { return filepath.Join(p.dir, name) }

// build compiles the programs, unless they are in the cache.
func (c conformance) build(ctx context.Context) (programs, error) {
	suite, err := filepath.Abs(filepath.Join(folder, "suite"))
	if err != nil {
		return programs{}, err
	}
	release, err := download(ctx, suite, "k8s.io/kubernetes")
	if err != nil {
		return programs{}, err
	}
	c.say("Building the tests of Kubernetes %s: minutes, the first time.", release.Version)
	dir, err := nodeimage.BuildModule(ctx, nodeimage.Module{
		Dir: suite, Kubernetes: release.Version, Tests: []string{"k8s.io/kubernetes/test/e2e"},
	}, c.cache, nil)
	if err != nil {
		return programs{}, fmt.Errorf("building the tests: %w", err)
	}
	return programs{dir: dir, kubernetes: release.Dir}, nil
}

// module is the description of a module by go.
type module struct{ Version, Dir string }

// download downloads the sources of a module that another module requires, and returns its
// description.
func download(ctx context.Context, dir, name string) (module, error) {
	var m module
	cmd := exec.CommandContext(ctx, "go", "mod", "download", "-json", name)
	cmd.Dir = dir
	out, err := cmd.Output()
	if err == nil {
		err = json.Unmarshal(out, &m)
	}
	if err != nil {
		return module{}, fmt.Errorf("fetching %s: %w\n%s", name, err, out)
	}
	return m, nil
}

func (c conformance) say(format string, args ...any) { fmt.Fprintf(c.log, format+"\n", args...) }
