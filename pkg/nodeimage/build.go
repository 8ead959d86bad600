// Package nodeimage builds the node image: a Debian base, containerd, every
// Kubernetes component, and the control plane's images already unpacked, without a
// container registry.
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

// Options say what to build. The zero value, with Source and Load set, is the
// default node image.
type Options struct {
	// Source is the node-image folder of a clone of mkube.
	Source string
	// KubernetesVersion is a release as "v1.37.2". Empty means the one that
	// Source's kubernetes/go.mod pins.
	KubernetesVersion string
	// BaseImage is an image of the daemon's, Debian or Ubuntu, to begin with. Empty
	// means to make the base with mmdebstrap.
	BaseImage string
	// Tag is the image's name. Empty means Name(KubernetesVersion).
	Tag string
	// Cache is where built parts are kept. Empty means DefaultCache.
	Cache string
	// Bundle is the file to write a bundle for virtual machines to, instead of an image.
	Bundle string
	// Daemon is where the image goes, and where BaseImage comes from. A bundle without a
	// BaseImage needs none.
	Daemon Daemon
	// Log takes what the build tools print. Nil throws it away: its end is part of
	// the error when a tool fails.
	Log io.Writer
}

// Daemon is what a build needs of a container engine.
type Daemon interface {
	// Load reads an image archive, as docker save writes it.
	Load(ctx context.Context, archive io.Reader) error
	// Label is the value of a label of an image, "" if there is no such image.
	Label(ctx context.Context, image, label string) (string, error)
	// Flatten makes the root file system of an image with Debian packages added, as
	// a tar archive.
	Flatten(ctx context.Context, image string, packages []string, w io.Writer) error
}

// Labels of a node image. A node container inherits them.
const (
	LabelInputs        = "dev.mkube.inputs"
	LabelKubernetes    = "dev.mkube.kubernetes"
	LabelEtcd          = "dev.mkube.etcd"
	LabelCoreDNS       = "dev.mkube.coredns"
	LabelPause         = "dev.mkube.pause"
	LabelLocalPath     = "dev.mkube.local-path-provisioner"
	LabelMetricsServer = "dev.mkube.metrics-server"
	// LabelParts is the digest of the layer that holds /usr/share/mkube.
	LabelParts = "dev.mkube.parts"
)

// Name is the node image's name for a Kubernetes version.
func Name(version string) string { return "mkube/node:" + version }

// DefaultCache is where built parts are kept: $XDG_CACHE_HOME/mkube/node-image or
// what stands in for it on this system, see os.UserCacheDir.
func DefaultCache() (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("finding the cache folder: %w; set one with --cache", err)
	}
	return filepath.Join(dir, "mkube", "node-image"), nil
}

// Result is what a build made.
type Result struct {
	// Tag is the image's name, or the bundle's file.
	Tag      string
	Versions Versions
	// Fresh is false when this very image or bundle was there already.
	Fresh bool
}

// Build builds the node image and loads it into the daemon. A part whose inputs
// are unchanged is taken from the cache. On gives word of each part.
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

// checkTools names every build tool that is missing, with what installs it.
func checkTools(mmdebstrap bool) error {
	var missing []error
	need := map[string]string{"go": "Go 1.26 or newer, see https://go.dev/doc/install"}
	if mmdebstrap {
		need["mmdebstrap"] = "apt-get install mmdebstrap, or use an image as the base with --base-image"
	}
	for tool, install := range need {
		if _, err := exec.LookPath(tool); err != nil {
			missing = append(missing, fmt.Errorf("%s is not installed: %s", tool, install))
		}
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
	// The base mostly waits for the network and for dpkg, the compiler for nobody:
	// side by side they take little longer than the compiler alone.
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

// product is the step that puts everything together.
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

// step runs f between the events that begin and end it.
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

// run runs a build tool in a folder; the end of its output is part of the error.
func (b *builder) run(ctx context.Context, dir string, env []string, args ...string) error {
	var tail strings.Builder
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
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
