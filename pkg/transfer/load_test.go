package transfer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/mkube/mkube/internal/testing/fake"
	"github.com/mkube/mkube/pkg/provider"
)

// engine is an image store, as a map from names to IDs.
type engine map[string]string

func (e engine) IDs(_ context.Context, names []string) (ids []string, err error) {
	for _, name := range names {
		if e[name] == "" {
			err = errors.Join(err, fmt.Errorf("no %s", name))
		}
		ids = append(ids, e[name])
	}
	return ids, err
}

func (e engine) Save(_ context.Context, names []string) (io.ReadCloser, error) {
	return io.NopCloser(strings.NewReader(strings.Join(names, "+"))), nil
}

// nodeImages is the list of a node's containerd. The image foreign is for another platform, so the
// kubelet cannot use it.
const nodeImages = `REF TYPE DIGEST SIZE PLATFORMS LABELS
docker.io/library/web:1 application/vnd.docker.distribution.manifest.v2+json sha256:manifest 1.9 MiB linux/amd64 io.cri-containerd.image=managed
example.com/web:2 application/vnd.docker.distribution.manifest.v2+json sha256:manifest 1.9 MiB linux/amd64 io.cri-containerd.image=managed
sha256:config application/vnd.docker.distribution.manifest.v2+json sha256:manifest 1.9 MiB linux/amd64 io.cri-containerd.image=managed
docker.io/library/db:latest application/vnd.oci.image.index.v1+json sha256:index 1.9 MiB linux/amd64,linux/arm64 io.cri-containerd.image=managed
sha256:other application/vnd.oci.image.index.v1+json sha256:index 1.9 MiB linux/amd64,linux/arm64 io.cri-containerd.image=managed
docker.io/library/foreign:1 application/vnd.oci.image.index.v1+json sha256:foreign 304.0 B linux/arm64 -
`

func TestPlanLoad(t *testing.T) {
	t.Parallel()
	long := "sha256:" + strings.Repeat("a", 64)
	from := engine{
		"web:1": "sha256:config", "example.com/web:2": "sha256:new", "db:latest": "sha256:index", "new:latest": "sha256:n",
		"foreign:1": "sha256:foreign",
		long:        long,
	}
	full := fake.Scripted{NodeName: "full", RunFunc: fake.Prints(nodeImages)}
	byID := fake.Scripted{NodeName: "byID", RunFunc: fake.Prints(long + " type sha256:m\n")}
	broken := fake.Scripted{NodeName: "broken", RunFunc: fake.Fails(errors.New("no runtime"))}
	for _, tt := range []struct {
		names           string
		nodes           []provider.Node
		images, lacking []string
		present         map[string][]string
	}{
		{"web:1", []provider.Node{full}, nil, nil, map[string][]string{"full": {"web:1"}}},
		{"docker.io/library/web:1 web:1", []provider.Node{full}, nil, nil, map[string][]string{"full": {"web:1"}}},
		{"example.com/web:2", []provider.Node{full}, []string{"example.com/web:2"}, []string{"full"}, map[string][]string{}},
		{"db", []provider.Node{full}, nil, nil, map[string][]string{"full": {"db:latest"}}},
		{"foreign:1", []provider.Node{full}, []string{"foreign:1"}, []string{"full"}, map[string][]string{}},
		{"web:1 new", []provider.Node{full, broken}, []string{"new:latest", "web:1"}, []string{"full", "broken"}, map[string][]string{"full": {"web:1"}}},
		{long, []provider.Node{full, byID}, []string{long}, []string{"full"}, map[string][]string{"byID": {long}}},
	} {
		t.Run(tt.names, func(t *testing.T) {
			t.Parallel()
			plan, err := PlanLoad(t.Context(), from, strings.Fields(tt.names), tt.nodes)
			if err != nil {
				t.Fatal(err)
			}
			var lacking []string
			for _, n := range plan.Nodes {
				lacking = append(lacking, n.Name())
			}
			if !slices.Equal(plan.Images, tt.images) || !slices.Equal(lacking, tt.lacking) || !reflect.DeepEqual(plan.Present, tt.present) {
				t.Errorf("got %v to %v, present %v", plan.Images, lacking, plan.Present)
			}
		})
	}
}

func TestPlanLoadTellsAllThatIsWrong(t *testing.T) {
	t.Parallel()
	for names, want := range map[string][]string{
		"a b":     {"no a:latest", "no b:latest"},
		"A a B:c": {`invalid image name "A"`, `invalid image name "B:c"`},
	} {
		_, err := PlanLoad(t.Context(), engine{}, strings.Fields(names), nil)
		for _, w := range want {
			if err == nil || !strings.Contains(err.Error(), w) {
				t.Errorf("%s: got %v, want %q", names, err, w)
			}
		}
	}
}

func TestLoadRun(t *testing.T) {
	t.Parallel()
	if err := (Load{}).Run(t.Context(), nil); err != nil {
		t.Errorf("nothing to load: %v", err)
	}
	var took bytes.Buffer
	n := fake.Scripted{NodeName: "n", RunFunc: func(_ context.Context, cmd provider.Cmd) error {
		_, err := io.Copy(&took, cmd.Stdin)
		return err
	}}
	if err := (Load{Images: []string{"a", "b"}, Nodes: []provider.Node{n}}).Run(t.Context(), engine{}); err != nil {
		t.Error(err)
	}
	if took.String() != "a+b" {
		t.Errorf("the node took %q", took.String())
	}
}

// TestLoadArchive loads into three nodes: one reads everything, one reads nothing, and one stops
// in the middle.
func TestLoadArchive(t *testing.T) {
	t.Parallel()
	data := bytes.Repeat([]byte("0123456789abcdef"), 1<<18) // four buffers
	var mu sync.Mutex
	took := map[string]int{}
	node := func(name string, most int64, err error) provider.Node {
		return fake.Scripted{NodeName: name, RunFunc: func(_ context.Context, cmd provider.Cmd) error {
			n, readErr := io.Copy(io.Discard, io.LimitReader(cmd.Stdin, most))
			mu.Lock()
			defer mu.Unlock()
			took[name] = int(n)
			return errors.Join(err, readErr)
		}}
	}
	nodes := []provider.Node{node("all", 1<<40, nil), node("none", 0, errors.New("no room")), node("half", 1<<21+5, errors.New("it broke"))}
	err := LoadArchive(t.Context(), bytes.NewReader(data), nodes)
	if err == nil || err.Error() != "loading into none: no room\nloading into half: it broke" {
		t.Errorf("got %v", err)
	}
	if want := map[string]int{"all": len(data), "none": 0, "half": 1<<21 + 5}; !reflect.DeepEqual(took, want) {
		t.Errorf("the nodes took %v, want %v", took, want)
	}
}

// TestLoadArchiveThatBreaksOff checks that the error is that of the archive, and not what a node
// reports about half of it.
func TestLoadArchiveThatBreaksOff(t *testing.T) {
	t.Parallel()
	broken := errors.New("the pipe broke")
	source := io.MultiReader(strings.NewReader("half"), iotest.ErrReader(broken))
	n := fake.Scripted{NodeName: "n", RunFunc: func(_ context.Context, cmd provider.Cmd) error {
		_, err := io.Copy(io.Discard, cmd.Stdin)
		if !errors.Is(err, broken) {
			t.Errorf("the node reads %v", err)
		}
		return errors.New("unexpected EOF")
	}}
	err := LoadArchive(t.Context(), source, []provider.Node{n})
	if err == nil || err.Error() != "reading the archive: the pipe broke" {
		t.Errorf("got %v", err)
	}
}

func TestLoadArchiveThatIsNoGzip(t *testing.T) {
	t.Parallel()
	err := LoadArchive(t.Context(), strings.NewReader("\x1f\x8b no gzip at all"), nil)
	if err == nil || !strings.HasPrefix(err.Error(), "reading the archive: gzip: ") {
		t.Errorf("got %v", err)
	}
}

// TestLoadSaysWhatCtrSaid checks that the error is ctr's, without the warnings before it.
func TestLoadSaysWhatCtrSaid(t *testing.T) {
	t.Parallel()
	for stderr, want := range map[string]string{
		"level=warning msg=old\nctr: unexpected EOF\n": "loading into n: ctr: unexpected EOF",
		"": "loading into n: exit code 1",
		"ctr: no match for platform in manifest sha256:1: not found\n": "loading into n: ctr: no match for platform in manifest sha256:1: not found: " +
			"the platform of the image is not that of the node: set --platform of docker build or docker pull",
	} {
		n := fake.Scripted{NodeName: "n", RunFunc: fake.Fails(&provider.ExitError{Node: "n", Args: []string{"ctr"}, Code: 1, Stderr: stderr})}
		err := LoadArchive(t.Context(), strings.NewReader("x"), []provider.Node{n})
		if err == nil || err.Error() != want {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}
