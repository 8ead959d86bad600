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
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/mkube/mkube/pkg/provider"
)

// engine is an image store.
type engine struct {
	images  map[string]provider.Image // by name
	archive []byte
	saved   []string
	saveErr error
}

func (e *engine) Inspect(_ context.Context, names []string) (list []provider.Image, err error) {
	for _, name := range names {
		i, ok := e.images[name]
		if !ok {
			err = errors.Join(err, fmt.Errorf("no %s", name))
		}
		list = append(list, i)
	}
	return list, err
}

func (e *engine) Save(_ context.Context, ids []string) (io.ReadCloser, error) {
	e.saved = ids
	return io.NopCloser(bytes.NewReader(e.archive)), e.saveErr
}

// classic returns an engine with its own image store. It has web under two tags and a digest of a
// registry, db by digest only, and an image for arm64.
func classic(t *testing.T) *engine {
	webImage := provider.Image{
		ID: web.id(t), Tags: []string{"web:1", "example.com/web:2"}, Platforms: []string{"linux/amd64"}, Size: 3 << 20,
		Digests: []string{"web@" + digestOf("registry"), "example.com/other@" + digestOf("registry")},
	}
	dbImage := provider.Image{ID: db.id(t), Digests: []string{"db@" + digestOf("db")}, Platforms: []string{"linux/amd64"}, Size: 5 << 20}
	e := &engine{images: map[string]provider.Image{
		"web:1": webImage, "example.com/web:2": webImage, web.id(t)[7:17]: webImage, web.id(t): webImage,
		"db@" + digestOf("db"): dbImage, db.id(t)[7:]: dbImage,
		"arm:1": {ID: webARM.id(t), Tags: []string{"arm:1"}, Platforms: []string{"linux/arm64/v8"}},
		"old:1": {ID: "sha256:old", Tags: []string{"old:1"}},
	}}
	e.archive = pack(t, dockerArchive(t, map[string]crafted{"": web, " ": db})...)
	return e
}

// digestOf returns a digest.
func digestOf(s string) string { return digest.FromString(s).String() }

func TestLoadImages(t *testing.T) {
	t.Parallel()
	webDigest := "docker.io/library/web@" + digestOf("registry")
	dbDigest := "docker.io/library/db@" + digestOf("db")
	for _, tt := range []struct {
		args  []string
		saved []string
		names string
	}{
		{[]string{"web:1"}, []string{web.id(t)}, webName + " " + webDigest},
		{[]string{"docker.io/library/web:1", "web:1"}, []string{web.id(t)}, webName + " " + webDigest},
		{[]string{"example.com/web:2"}, []string{web.id(t)}, "example.com/web:2"},
		{[]string{"web:1", "example.com/web:2"}, []string{web.id(t)}, webName + " " + webDigest + " example.com/web:2"},
		{[]string{"db@" + digestOf("db")}, []string{db.id(t)}, dbDigest},
		{[]string{web.id(t)[7:17]}, []string{web.id(t)}, webName + " " + webDigest + " example.com/other@" + digestOf("registry") + " example.com/web:2"},
		{[]string{db.id(t)[7:], "web:1"}, []string{db.id(t), web.id(t)}, dbDigest + " " + webName + " " + webDigest},
	} {
		t.Run(strings.Join(tt.args, " "), func(t *testing.T) {
			t.Parallel()
			e, n, other := classic(t), newCtrNode("n"), newCtrNode("other")
			nodes := []provider.Node{n.node(), other.node()}
			plan, err := PlanLoad(t.Context(), e, tt.args, nodes)
			if err != nil {
				t.Fatal(err)
			}
			have, err := plan.Run(t.Context(), e, nil)
			if err != nil || !slices.Equal(have, []string{"n", "other"}) || !slices.Equal(e.saved, tt.saved) {
				t.Errorf("%v have the images, %v was saved, %v", have, e.saved, err)
			}
			if n.names() != tt.names || other.names() != tt.names {
				t.Errorf("the nodes have\n%s and\n%s, want\n%s", n.names(), other.names(), tt.names)
			}
			again, err := PlanLoad(t.Context(), e, tt.args, nodes)
			if err != nil || len(again.Images)+len(again.Nodes) > 0 || len(again.Present["n"]) == 0 {
				t.Errorf("after that, %v lack %v, and %v is there: %v", again.Nodes, again.Images, again.Present, err)
			}
		})
	}
}

// TestLoadImagesOfContainerd loads images of an engine with containerd's store, whose ID is that of
// an index.
func TestLoadImagesOfContainerd(t *testing.T) {
	t.Parallel()
	l := newLayout(t)
	index := l.multi(web, webARM, web386)
	id := index.Digest.String()
	l.lose(webARM)
	e := &engine{archive: l.name(index, "").tar(), images: map[string]provider.Image{
		"web:1": {ID: id, Tags: []string{"web:1"}, Digests: []string{"web@" + id}, Platforms: []string{"linux/386", "linux/amd64"}},
		"x:1":   {ID: id}, // an engine that tells little
	}}
	n := newCtrNode("n")
	for _, tt := range []struct{ arg, names string }{
		{"web:1", webName + " docker.io/library/web@" + id},
		{"x:1", webName + " docker.io/library/web@" + id + " docker.io/library/x:1"},
	} {
		for range 2 {
			plan, err := PlanLoad(t.Context(), e, []string{tt.arg}, []provider.Node{n.node()})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := plan.Run(t.Context(), e, nil); err != nil {
				t.Error(err)
			}
			if n.names() != tt.names {
				t.Errorf("the node has %s, want %s", n.names(), tt.names)
			}
			e.saved = nil
		}
	}
	if plan, err := PlanLoad(t.Context(), e, []string{"web:1", "x:1"}, []provider.Node{n.node()}); err != nil || len(plan.Images) > 0 {
		t.Errorf("the node is said to lack %v: %v", plan.Images, err)
	}
}

func TestPlanLoad(t *testing.T) {
	t.Parallel()
	e := classic(t)
	e.images["web:2"], e.images["db:latest"] = e.images["db@"+digestOf("db")], e.images["web:1"]
	full, other, moved := newCtrNode("full"), newCtrNode("other"), newCtrNode("moved")
	names := namesFor("web:1", e.images["web:1"])
	for _, name := range append(names, web.id(t)) {
		full.images[name], moved.images[name] = "sha256:m", "sha256:m"
	}
	moved.images[webName], moved.images["sha256:x"] = "sha256:n", "sha256:n"
	// An image for another platform has no name by its configuration.
	other.images[webName], other.images[names[1]] = web.id(t), web.id(t)
	nodes := []provider.Node{full.node(), other.node(), moved.node()}
	for _, tt := range []struct {
		names           string
		images, lacking []string
		present         map[string][]string
	}{
		{"web:1", []string{"web:1"}, []string{"other", "moved"}, map[string][]string{"full": {"web:1"}}},
		{"db", []string{"db:latest"}, []string{"full", "other", "moved"}, map[string][]string{}},
		{"web:2 web:1", []string{"web:2", "web:1"}, []string{"full", "other", "moved"}, map[string][]string{"full": {"web:1"}}},
	} {
		plan, err := PlanLoad(t.Context(), e, strings.Fields(tt.names), nodes)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(plan.Images, tt.images) || !slices.Equal(plan.Nodes, tt.lacking) || !reflect.DeepEqual(plan.Present, tt.present) {
			t.Errorf("%s: got %v to %v, present %v", tt.names, plan.Images, plan.Nodes, plan.Present)
		}
	}
}

func TestPlanLoadRefuses(t *testing.T) {
	t.Parallel()
	n, arm := newCtrNode("n"), newCtrNode("arm")
	arm.platform = "linux/arm64/v8"
	for names, want := range map[string]string{
		"a b":         "no a:latest\nno b:latest",
		"A arm:1 B:c": "invalid image name \"A\": invalid reference format: repository name (library/A) must be lowercase\ninvalid image name \"B:c\": invalid reference format: repository name (library/B) must be lowercase",
		"arm:1 old:1": "arm:1 is for linux/arm64, and node n is linux/amd64: build it with --platform linux/amd64",
		"web:1 arm:1": "arm:1 is for linux/arm64, and node n is linux/amd64: build it with --platform linux/amd64\n" +
			"web:1 is for linux/amd64, and node arm is linux/arm64: build it with --platform linux/arm64",
	} {
		_, err := PlanLoad(t.Context(), classic(t), strings.Fields(names), []provider.Node{n.node(), n.node(), arm.node()})
		if err == nil || !slices.Equal(slices.Sorted(strings.Lines(err.Error()+"\n")), slices.Sorted(strings.Lines(want+"\n"))) {
			t.Errorf("%s: got\n%v\nwant\n%s", names, err, want)
		}
	}
	if len(n.images)+len(arm.images) > 0 {
		t.Errorf("the nodes have %v and %v", n.images, arm.images)
	}
}

func TestLoadImagesFails(t *testing.T) {
	t.Parallel()
	e, n := classic(t), newCtrNode("n")
	for _, tt := range []struct {
		args    string
		archive []byte
		saveErr error
		err     string
	}{
		{"web:1", nil, errors.New("the disk is full"), "saving web:1: the disk is full"},
		{"web:1 old:1", e.archive, nil, "the engine did not save old:1"},
		{"web:1", e.archive[:len(e.archive)/2], nil, "the archive is cut off: unexpected EOF"},
		{"old:1", pack(t, dockerArchive(t, map[string]crafted{"": webARM})...), nil, "the engine did not save old:1"},
	} {
		e := &engine{images: e.images, archive: tt.archive, saveErr: tt.saveErr}
		plan, err := PlanLoad(t.Context(), e, strings.Fields(tt.args), []provider.Node{n.node()})
		if err != nil {
			t.Fatal(err)
		}
		have, err := plan.Run(t.Context(), e, nil)
		if err == nil || err.Error() != tt.err || len(have)+len(n.images) > 0 {
			t.Errorf("%s: got %v, want %s; the node has %v", tt.args, err, tt.err, n.images)
		}
	}
	if have, err := (Load{}).Run(t.Context(), nil, nil); err != nil || have != nil {
		t.Errorf("nothing to load: %v, %v", have, err)
	}
}
