package cli

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/mkube/mkube/pkg/nodeimage"
	"github.com/mkube/mkube/pkg/provider"
)

// imageConfig returns the configuration of an image with one layer, and its ID.
func imageConfig(architecture, text string) (config, id string) {
	layer := sha256.Sum256([]byte(text))
	config = fmt.Sprintf(`{"os":"linux","architecture":%q,"rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}`, architecture, hex.EncodeToString(layer[:]))
	sum := sha256.Sum256([]byte(config))
	return config, "sha256:" + hex.EncodeToString(sum[:])
}

// saved returns an archive of images, as docker save writes it. tags are the names of each image by
// its content.
func saved(t *testing.T, architecture string, tags map[string]string) string {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	add := func(name, data string) {
		if err := w.WriteHeader(&tar.Header{Name: name, Size: int64(len(data))}); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, data); err != nil {
			t.Fatal(err)
		}
	}
	var manifest []map[string]any
	for text, tag := range tags {
		config, _ := imageConfig(architecture, text)
		add(text+".json", config)
		add(text+"/layer.tar", text)
		manifest = append(manifest, map[string]any{"Config": text + ".json", "RepoTags": strings.Fields(tag), "Layers": []string{text + "/layer.tar"}})
	}
	data, err := json.Marshal(manifest)
	if err != nil {
		t.Fatal(err)
	}
	add("manifest.json", string(data))
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// fakeEngine is an engine with images of amd64 by name. The content of an image is its name.
type fakeEngine struct {
	nodeimage.Daemon // nil, because no test calls its other methods
	t                *testing.T
	images           map[string]provider.Image
	saveErr          error
}

func (e *fakeEngine) Inspect(_ context.Context, names []string) (list []provider.Image, err error) {
	for _, name := range names {
		i, ok := e.images[name]
		if !ok {
			err = errors.Join(err, fmt.Errorf("image %s is not there", name))
		}
		list = append(list, i)
	}
	return list, err
}

func (e *fakeEngine) Save(_ context.Context, ids []string) (io.ReadCloser, error) {
	images := map[string]string{}
	for name, i := range e.images {
		if slices.Contains(ids, i.ID) {
			images[name] = ""
		}
	}
	return io.NopCloser(strings.NewReader(saved(e.t, "amd64", images))), e.saveErr
}

// loads makes the nodes of cluster mkube accept images. The map contains the names that each node
// got.
func (w *world) loads(t *testing.T) (*fakeEngine, map[string]string) {
	e := &fakeEngine{t: t, images: map[string]provider.Image{"web:1": {ID: "sha256:1"}}}
	for _, name := range []string{"web:2", "db:latest"} {
		_, id := imageConfig("amd64", name)
		e.images[name] = provider.Image{ID: id, Tags: []string{name}, Platforms: []string{"linux/amd64"}}
	}
	w.engine = func() (engine, error) { return e, nil }
	took := map[string]string{}
	var mu sync.Mutex
	for _, n := range w.fake.clusters["mkube"] {
		n.(*fakeNode).script["ctr --namespace k8s.io images import"] = func(cmd provider.Cmd) error {
			names, err := indexNames(cmd.Stdin)
			mu.Lock()
			defer mu.Unlock()
			took[n.Name()] += names
			return err
		}
	}
	return e, took
}

var annotatedName = regexp.MustCompile(`"io.containerd.image.name":"([^"]+)"`)

// indexNames returns the names in an archive that a node gets, except the IDs, a line each.
func indexNames(archive io.Reader) (names string, err error) {
	for r := tar.NewReader(archive); ; {
		h, err := r.Next()
		if err == io.EOF {
			return names, nil
		}
		if err != nil {
			return "", err
		}
		data, err := io.ReadAll(r)
		if err != nil {
			return "", err
		}
		if h.Name != "index.json" {
			continue
		}
		for _, found := range annotatedName.FindAllStringSubmatch(string(data), -1) {
			if !strings.HasPrefix(found[1], "sha256:") {
				names += strings.TrimPrefix(found[1], "docker.io/library/") + "\n"
			}
		}
	}
}

// stable returns messages without times and bytes, with the lines about steps sorted: the nodes work
// at the same time.
func stable(text string) string {
	text = regexp.MustCompile(`\d+\.\ds|\d+\.\d s`).ReplaceAllString(text, "T")
	text = regexp.MustCompile(`: \d+(\.\d)? KiB`).ReplaceAllString(text, "")
	var steps, rest []string
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "[ T] ") {
			steps = append(steps, strings.TrimPrefix(line, "[ T] "))
		} else {
			rest = append(rest, line)
		}
	}
	slices.Sort(steps)
	return strings.Join(append(steps, rest...), "")
}

// settle makes the messages of a command stable.
func (w *world) settle() {
	text := stable(w.err.String())
	w.err.Reset()
	w.err.WriteString(text)
}

// loading returns the lines about nodes that load something.
func loading(what string, nodes ...string) (text string) {
	for _, n := range nodes {
		text += "mkube-" + n + ": ready after T\nmkube-" + n + ": starting (" + what + ")\n"
	}
	return text
}

func TestLoad(t *testing.T) {
	t.Parallel()
	piped := saved(t, "amd64", map[string]string{"piped": "piped:1 two:2"})
	unnamed := saved(t, "amd64", map[string]string{"unnamed": ""})
	_, id := imageConfig("amd64", "unnamed")
	const already = "mkube-control-plane already has web:1.\n"
	both := []string{"control-plane", "worker"}
	for _, tt := range []struct {
		line, in    string
		code        Code
		first, rest string // the names that the control plane and the worker got
		err         string
	}{
		{"load image web:2", "", OK, "web:2\n", "web:2\n",
			loading("web:2", both...) + "Loaded web:2 into mkube-control-plane, mkube-worker in T.\n"},
		{"load docker-image db --nodes worker", "", OK, "", "db:latest\n",
			loading("db:latest", "worker") + "Loaded db:latest into mkube-worker in T.\n"},
		{"load image web:1 --nodes mkube-control-plane", "", OK, "", "", already},
		{"load image web:1 web:2 db web:2 --nodes control-plane", "", OK, "web:2\ndb:latest\n", "",
			loading("web:2, db:latest", "control-plane") + already + "Loaded web:2, db:latest into mkube-control-plane in T.\n"},
		{"load image nope Web web:1 no", "", Failed, "", "", "Error: invalid image name \"Web\": invalid reference format: repository name (library/Web) must be lowercase\n"},
		{"load image nope web:1 no", "", Failed, "", "", "Error: image nope:latest is not there\nError: image no:latest is not there\n"},
		{"load image web:2 --nodes x,worker,y", "", Failed, "", "",
			"Error: cluster \"mkube\" has no node \"x\"; its nodes are mkube-control-plane, mkube-worker\nError: cluster \"mkube\" has no node \"y\"; its nodes are mkube-control-plane, mkube-worker\n"},
		{"load image web:2 --progress loud", "", Usage, "", "", "Error: --progress: unknown progress mode \"loud\": choose auto, tty, plain or json\nSee mkube load image --help\n"},
		{"load archive -", piped, OK, "piped:1\ntwo:2\n", "piped:1\ntwo:2\n",
			loading("standard input", both...) + "Loaded piped:1, two:2 from standard input into mkube-control-plane, mkube-worker in T.\n"},
		{"load image-archive - --nodes worker,mkube-worker", piped, OK, "", "piped:1\ntwo:2\n",
			loading("standard input", "worker") + "Loaded piped:1, two:2 from standard input into mkube-worker in T.\n"},
		{"load archive - --nodes worker", unnamed, OK, "", "",
			loading("standard input", "worker") + "Loaded " + id + " from standard input into mkube-worker in T.\n" + id + " has no name in standard input: pods use it by this ID.\n"},
		{"load archive no/a.tar - no/b.tar", "", Failed, "", "", "Error: open no/a.tar: no such file or directory\nError: open no/b.tar: no such file or directory\n"},
	} {
		t.Run(tt.line, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "mkube")
			w.in = strings.NewReader(tt.in)
			_, took := w.loads(t)
			code := w.run(t, tt.line)
			w.settle()
			w.want(t, code, tt.code, "", tt.err)
			if took["mkube-control-plane"] != tt.first || took["mkube-worker"] != tt.rest {
				t.Errorf("the nodes took %q", took)
			}
		})
	}
}

func TestLoadArchiveFiles(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "mkube")
	_, took := w.loads(t)
	one, two := filepath.Join(w.home, "one.tar"), filepath.Join(w.home, "two.tar")
	for file, tag := range map[string]string{one: "one:1", two: "two:2"} {
		if err := os.WriteFile(file, []byte(saved(t, "amd64", map[string]string{tag: tag})), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if code := w.run(t, "load archive "+one+" "+two); code != OK {
		t.Errorf("exit code %d: %s", code, w.err.String())
	}
	if got := took["mkube-worker"]; got != "one:1\ntwo:2\n" {
		t.Errorf("the worker took %q", got)
	}
	lines := strings.Split(strings.TrimSpace(stable(w.err.String())), "\n")
	want := []string{
		"Loaded one:1 from " + one + " into mkube-control-plane, mkube-worker in T.",
		"Loaded two:2 from " + two + " into mkube-control-plane, mkube-worker in T.",
	}
	if got := lines[max(0, len(lines)-2):]; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestLoadSaysWhichNodesHaveTheImages loads into two nodes, of which one fails.
func TestLoadSaysWhichNodesHaveTheImages(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "mkube")
	w.in = strings.NewReader(saved(t, "amd64", map[string]string{"x": "x:1"}))
	w.loads(t)
	w.fake.clusters["mkube"][1].(*fakeNode).script["ctr --namespace k8s.io images import"] = fails(1, "a warning of the host\nctr: unexpected EOF")
	code := w.run(t, "load archive -")
	lines := strings.Split(strings.TrimSpace(stable(w.err.String())), "\n")
	want := []string{
		"mkube-control-plane: ready after T", "mkube-control-plane: starting (standard input)",
		"mkube-worker: failed after T: loading into mkube-worker: ctr: unexpected EOF", "mkube-worker: starting (standard input)",
		"Loaded x:1 from standard input into mkube-control-plane in T.",
		"Error: standard input: loading into mkube-worker: ctr: unexpected EOF",
	}
	if code != Failed || !slices.Equal(lines, want) {
		t.Errorf("exit code %d, %q, want %q", code, lines, want)
	}
}

func TestLoadAsJSON(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "mkube")
	w.in = strings.NewReader(saved(t, "arm64", map[string]string{"x": "x:1"}))
	w.loads(t)
	code := w.run(t, "load archive - --nodes worker --progress json")
	if lines := strings.Split(strings.TrimSpace(w.err.String()), "\n"); code != Failed || !strings.HasSuffix(lines[len(lines)-1],
		`"message":"Error: standard input: x:1 is for linux/arm64, and node mkube-worker is linux/amd64: build it with --platform linux/amd64"}`) {
		t.Errorf("exit code %d, %q", code, lines)
	}
}

func TestLoadWithoutAnEngine(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "mkube")
	w.want(t, w.run(t, "load image web:1"), Failed, "", "Error: no engine here\n")
}

func TestLoadThatCannotBeSaved(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "mkube")
	e, _ := w.loads(t)
	e.saveErr = errors.New("the disk is full")
	code := w.run(t, "load image web:2 --nodes worker")
	if got, want := stable(w.err.String()), "mkube-worker: failed after T: saving web:2: the disk is full\nmkube-worker: starting (web:2)\nError: saving web:2: the disk is full\n"; code != Failed || got != want {
		t.Errorf("exit code %d, %s, want %s", code, got, want)
	}
}
