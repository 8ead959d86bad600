package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/mkube/mkube/pkg/nodeimage"
	"github.com/mkube/mkube/pkg/progress"
)

// builds makes the world's build succeed, and returns the options of the last build.
func (w *world) builds(fresh bool, err error) *nodeimage.Options {
	asked := new(nodeimage.Options)
	w.engine = func() (engine, error) { return &fakeEngine{}, nil }
	w.build = func(_ context.Context, o nodeimage.Options, on progress.Func) (nodeimage.Result, error) {
		*asked = o
		start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
		on(progress.Event{Time: start, Step: "base", State: progress.Running})
		if o.Log != nil {
			fmt.Fprintln(o.Log, "a tool says")
		}
		on(progress.Event{Time: start, Step: "base", State: progress.Done, Elapsed: time.Second})
		return nodeimage.Result{Tag: "mkube/node:v1.36.1", Fresh: fresh}, err
	}
	return asked
}

func TestBuildNodeImage(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		line  string
		fresh bool
		want  nodeimage.Options
		says  string
	}{
		{"", true, nodeimage.Options{Source: "node-image"}, ""},
		{"--kubernetes-version 1.36.1 --image my/node:1 --base-image debian:12 --source s --cache c", true,
			nodeimage.Options{KubernetesVersion: "v1.36.1", Tag: "my/node:1", BaseImage: "debian:12", Source: "s", Cache: "c"}, ""},
		{"--bundle node.tar", false, nodeimage.Options{Source: "node-image", Bundle: "node.tar"}, "\nNothing has changed: the file already holds this bundle.\n"},
		{"-v", true, nodeimage.Options{Source: "node-image"}, "a tool says\n"},
		{"", false, nodeimage.Options{Source: "node-image"}, "\nNothing has changed: the daemon already has this image.\n"},
	} {
		t.Run(tt.line, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			got := w.builds(tt.fresh, nil)
			if code := w.run(t, "build node-image "+tt.line); code != OK || w.out.String() != "mkube/node:v1.36.1\n" {
				t.Errorf("exit code %d, %q", code, w.out.String())
			}
			if !strings.Contains(w.err.String(), tt.says) || !strings.Contains(w.err.String(), "STEP") {
				t.Errorf("said\n%s", w.err.String())
			}
			if (got.Daemon == nil) != (tt.want.Bundle != "") || (got.Log != nil) != (tt.line == "-v") {
				t.Errorf("got %+v", got)
			}
			got.Daemon, got.Log = nil, nil
			if *got != tt.want {
				t.Errorf("got %+v, want %+v", *got, tt.want)
			}
		})
	}
}

func TestBuildBundleAndImage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.builds(true, nil)
	w.want(t, w.run(t, "build node-image --bundle node.tar --image my/node:1"), Usage, "",
		"Error: --bundle and --image cannot be combined: --bundle writes a file instead of an image\n")
}

func TestBuildNodeImageFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.builds(true, errors.Join(errors.New("go is not installed"), errors.New("mmdebstrap is not installed")))
	w.want(t, w.run(t, "build node-image"), Failed, "",
		"[ 0.0s] base: starting\n[ 0.0s] base: ready after 1.0s\nError: go is not installed\nError: mmdebstrap is not installed\n")
}

// TestBuildNodeImageJSON checks that the result is on standard output, also with --progress json.
func TestBuildNodeImageJSON(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.builds(false, nil)
	w.want(t, w.run(t, "build node-image --progress json"), OK, "mkube/node:v1.36.1\n",
		`{"time":"2026-01-02T03:04:05Z","step":"base","state":"running"}
{"time":"2026-01-02T03:04:05Z","step":"base","state":"done","elapsedSeconds":1}
`)
}
