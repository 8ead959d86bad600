package nodeimage

import (
	"context"
	"io"
	"path/filepath"
)

// A Module is a Go module beside the node image's own, such as the one that pins
// Kubernetes' end-to-end tests.
type Module struct {
	// Dir is the module's folder. Its base name is that of the folder in the cache.
	Dir string
	// Kubernetes is the release that the programs say they are, as "v1.37.2". Programs
	// that are not of Kubernetes leave it empty.
	Kubernetes string
	// Tags are the build tags, with commas between.
	Tags string
	// Tests are the packages whose test binaries are wanted besides.
	Tests []string
}

// BuildModule builds the tools that a module's go.mod names, and test binaries called
// as their packages with ".test" added, and returns the folder they are in. They are
// built as the parts of the node image are, so that the compiler's work is shared,
// and kept in cache by the digest of all that the build reads. What the build tools
// print goes to log, which may be nil.
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
			// To vet another's tests would be to vet all that they import.
			if err := b.compile(ctx, p, tmp, "test", "-c", "-vet=off"); err != nil {
				return err
			}
		}
		return nil
	})
	return dir, err
}
