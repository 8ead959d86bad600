// Package nodeimage builds the node image: a Debian base, containerd, every Kubernetes component,
// and the unpacked images of the control plane. It needs no container registry.
package nodeimage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/mkube/mkube/pkg/progress"
)

// Options describe what to build. With only Source and Daemon set, Build builds the default node
// image.
type Options struct {
	// Source is the folder node-image of a clone of mkube.
	Source string
	// KubernetesVersion is a release such as "v1.37.2". If empty, it is the release that
	// kubernetes/go.mod in Source pins.
	KubernetesVersion string
	// BaseImage is a Debian or Ubuntu image of the daemon to use as the base. If empty, mmdebstrap
	// builds the base.
	BaseImage string
	// Tag is the name of the image. If empty, it is Name(KubernetesVersion).
	Tag string
	// Cache is the folder of built parts. If empty, it is DefaultCache.
	Cache string
	// Bundle is the file to write a bundle for virtual machines to. If empty, Build builds an
	// image.
	Bundle string
	// Daemon receives the image, and contains BaseImage. A bundle without a BaseImage needs none.
	Daemon Daemon
	// Log receives the output of the build tools. If nil, the output is dropped. In any case, the
	// end of the output is part of the error of a tool that fails.
	Log io.Writer
}

// Daemon is the part of a container engine that a build needs.
type Daemon interface {
	// Load loads an image archive, as docker save writes it.
	Load(ctx context.Context, archive io.Reader) error
	// Label returns the value of a label of an image, or "" if the image does not exist.
	Label(ctx context.Context, image, label string) (string, error)
	// Flatten writes the root file system of an image with some Debian packages added, as a tar
	// archive.
	Flatten(ctx context.Context, image string, packages []string, w io.Writer) error
}

// Name returns the name of the node image for a Kubernetes version.
func Name(version string) string { return "mkube/node:" + version }

// DefaultCache returns the default folder of built parts: $XDG_CACHE_HOME/mkube/node-image, or the
// corresponding folder of this system, see os.UserCacheDir.
func DefaultCache() (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("finding the cache folder: %w; set one with --cache", err)
	}
	return filepath.Join(dir, "mkube", "node-image"), nil
}

// Result is the result of a build.
type Result struct {
	// Tag is the name of the image, or the file of the bundle.
	Tag      string
	Versions Versions
	// Fresh is false if an image or bundle with the same inputs existed already.
	Fresh bool
}

// Build builds the node image and loads it into the daemon, or writes a bundle. It takes a part
// with unchanged inputs from the cache. on receives the progress events, and may be nil.
func Build(ctx context.Context, o Options, on progress.Func) (Result, error) {
	b, err := newBuilder(o, on)
	if err != nil {
		return Result{}, err
	}
	return b.build(ctx)
}

type builder struct {
	Options
	on       progress.Func
	versions Versions
	parts    []part
}

func newBuilder(o Options, on progress.Func) (*builder, error) {
	if _, err := os.Stat(filepath.Join(o.Source, "kubernetes", "go.mod")); err != nil {
		return nil, fmt.Errorf("finding the node image's sources: %w; run this in a clone of mkube, or set its node-image folder with --source", err)
	}
	if o.Cache == "" {
		dir, err := DefaultCache()
		if err != nil {
			return nil, err
		}
		o.Cache = dir
	}
	var err error
	if o.Source, err = filepath.Abs(o.Source); err != nil {
		return nil, err
	}
	if o.Cache, err = filepath.Abs(o.Cache); err != nil {
		return nil, err
	}
	if o.Bundle != "" {
		if o.Bundle, err = filepath.Abs(o.Bundle); err != nil {
			return nil, err
		}
	}
	if err := checkTools(o.BaseImage == ""); err != nil {
		return nil, err
	}
	return &builder{Options: o, on: on}, nil
}

// checkTools returns an error that names every missing build tool and how to install it.
func checkTools(mmdebstrap bool) error {
	var missing []error
	need := map[string]string{
		"go": "Go 1.26 or newer, see https://go.dev/doc/install",
		// runc contains C code.
		"gcc":        "apt-get install gcc libc6-dev",
		"pkg-config": "apt-get install pkg-config libseccomp-dev",
	}
	if mmdebstrap {
		need["mmdebstrap"] = "apt-get install mmdebstrap, or use an image as the base with --base-image"
	}
	for tool, install := range need {
		if _, err := exec.LookPath(tool); err != nil {
			missing = append(missing, fmt.Errorf("%s is not installed: %s", tool, install))
		}
	}
	if missing == nil && exec.Command("pkg-config", "--exists", "libseccomp").Run() != nil {
		missing = append(missing, errors.New("libseccomp is not installed: apt-get install libseccomp-dev"))
	}
	return errors.Join(missing...)
}

func (b *builder) build(ctx context.Context) (Result, error) {
	var err error
	if b.parts, b.versions, err = b.plan(ctx); err != nil {
		return Result{}, err
	}
	if b.Tag == "" {
		b.Tag = Name(b.versions.Kubernetes)
	}
	b.announce()
	// The base mostly waits for the network and for dpkg, and the compiler waits for nothing. Both
	// at the same time take little longer than the compiler alone.
	g, gctx := errgroup.WithContext(ctx)
	var base string
	g.Go(func() (err error) { base, err = b.base(gctx); return })
	g.Go(func() error { return b.buildParts(gctx) })
	if err := g.Wait(); err != nil {
		return Result{}, err
	}
	if b.Bundle != "" {
		return b.assembleBundle(ctx, base)
	}
	return b.assemble(ctx, base)
}

// product returns the name of the last step, which combines the parts.
func (b *builder) product() string {
	if b.Bundle != "" {
		return "bundle"
	}
	return "image"
}

func (b *builder) announce() {
	b.event(progress.Event{Step: "base", State: progress.Pending, Short: "Debian's packages"})
	needs := []string{"base"}
	for _, p := range b.parts {
		b.event(progress.Event{Step: p.name, State: progress.Pending, Short: p.short})
		needs = append(needs, p.name)
	}
	short := "the layers, into the daemon"
	if b.Bundle != "" {
		short = "all of them, in one file"
	}
	b.event(progress.Event{Step: b.product(), State: progress.Pending, Short: short, Needs: needs})
}

func (b *builder) event(e progress.Event) {
	if b.on != nil {
		e.Time = time.Now()
		b.on(e)
	}
}

// step runs f, and emits an event before and after it.
func (b *builder) step(name string, f func() (detail string, err error)) error {
	start := time.Now()
	b.event(progress.Event{Step: name, State: progress.Running})
	detail, err := f()
	e := progress.Event{Step: name, State: progress.Done, Detail: detail, Elapsed: time.Since(start)}
	if err != nil {
		e.State, e.Detail = progress.Failed, err.Error()
	}
	b.event(e)
	return err
}

// run runs a build tool in a folder. If the tool fails, the end of its output is part of the
// error.
func (b *builder) run(ctx context.Context, dir string, env []string, args ...string) error {
	var tail strings.Builder
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	// The children of a killed tool may keep its output open. Run does not wait longer for them.
	cmd.WaitDelay = 10 * time.Second
	var out io.Writer = &tail
	if b.Log != nil {
		out = io.MultiWriter(&tail, b.Log)
	}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("running %s in %s: %w\n%s", strings.Join(args[:min(2, len(args))], " "), dir, err, lastLines(tail.String(), 20))
	}
	return nil
}

func lastLines(s string, n int) string {
	lines := strings.Split(strings.TrimRight(s, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, fs.ErrNotExist)
}
