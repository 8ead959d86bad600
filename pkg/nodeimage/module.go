package nodeimage

import (
	"context"
	"io"
	"path/filepath"
)

// A Module is a Go module that is not part of the node image, such as the one that pins
// Kubernetes' end-to-end tests.
type Module struct {
	// Dir is the folder of the module. Its folder in the cache has the same base name.
	Dir string
	// Kubernetes is the release that the programs report, such as "v1.37.2". It is empty for
	// programs that are not part of Kubernetes.
	Kubernetes string
	// Tags are the build tags, separated by commas.
	Tags string
	// Tests lists the packages whose test binaries are built in addition.
	Tests []string
}

// BuildModule builds the tools that the go.mod of a module names, and a test binary PACKAGE.test
// for each package in Tests. It returns the folder with the binaries. It builds them like the
// parts of the node image, so that both share the compiler's results. The folder is cached under
// the digest of everything that the build reads. The output of the build tools is written to log,
// which may be nil.
func BuildModule(ctx context.Context, m Module, cache string, log io.Writer) (dir string, err error) {
	b := &builder{Options: Options{Cache: cache, Log: log}}
	p := part{name: filepath.Base(m.Dir), dir: m.Dir, packages: append([]string{"tool"}, m.Tests...), tags: m.Tags}
	if m.Kubernetes != "" {
		p.ldflags = stamp(m.Kubernetes)
	}
	dir, err = b.output(p)
	if err != nil {
		return "", err
	}
	p.packages = []string{"tool"}
	_, err = b.cached(dir, func(tmp string) error {
		if err := b.compile(ctx, p, tmp, "build"); err != nil {
			return err
		}
		for _, test := range m.Tests {
			p.packages = []string{test}
			// Vetting the tests of another project would vet everything that they import.
			if err := b.compile(ctx, p, tmp, "test", "-c", "-vet=off"); err != nil {
				return err
			}
		}
		return nil
	})
	return dir, err
}
