package cli

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/mkube/mkube/pkg/nodeimage"
	"github.com/mkube/mkube/pkg/provider"
)

// fakeEngine is an engine with images by name.
type fakeEngine struct {
	nodeimage.Daemon // nil, because no test calls its other methods
	ids              map[string]string
	saved            []string
	saveErr          error
}

func (e *fakeEngine) IDs(_ context.Context, names []string) (ids []string, err error) {
	for _, name := range names {
		if e.ids[name] == "" {
			err = errors.Join(err, fmt.Errorf("image %s is not there", name))
		}
		ids = append(ids, e.ids[name])
	}
	return ids, err
}

func (e *fakeEngine) Save(_ context.Context, names []string) (io.ReadCloser, error) {
	e.saved = append(e.saved, names...)
	return io.NopCloser(strings.NewReader("archive of " + strings.Join(names, ", "))), e.saveErr
}

// loads makes the nodes of cluster mkube accept images. The map contains the input of each node.
func (w *world) loads() (*fakeEngine, map[string]string) {
	e := &fakeEngine{ids: map[string]string{"web:1": "sha256:1", "web:2": "sha256:2", "db:latest": "sha256:3"}}
	w.engine = func() (engine, error) { return e, nil }
	took := map[string]string{}
	var mu sync.Mutex
	for _, n := range w.fake.clusters["mkube"] {
		n.(*fakeNode).script["ctr --namespace k8s.io images import"] = func(cmd provider.Cmd) error {
			data, err := io.ReadAll(cmd.Stdin)
			mu.Lock()
			defer mu.Unlock()
			took[n.Name()] += string(data) + "\n"
			return err
		}
	}
	return e, took
}

var secondsTaken = regexp.MustCompile(`\d+\.\d s\.`)

func TestLoad(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		line, in    string
		code        Code
		first, rest string // the input of the control plane and of the worker
		err         string
	}{
		{"load image web:2", "", OK, "archive of web:2\n", "archive of web:2\n",
			"Loading web:2 into mkube-control-plane, mkube-worker ...\nLoaded in T\n"},
		{"load docker-image db --nodes worker", "", OK, "", "archive of db:latest\n",
			"Loading db:latest into mkube-worker ...\nLoaded in T\n"},
		{"load image web:1", "", OK, "", "archive of web:1\n",
			"mkube-control-plane already has web:1.\nLoading web:1 into mkube-worker ...\nLoaded in T\n"},
		{"load image web:1 --nodes mkube-control-plane", "", OK, "", "",
			"mkube-control-plane already has web:1.\n"},
		{"load image web:1 web:2 db web:2", "", OK, "archive of web:2, db:latest, web:1\n", "archive of web:2, db:latest, web:1\n",
			"mkube-control-plane already has web:1.\nLoading web:2, db:latest, web:1 into mkube-control-plane, mkube-worker ...\nLoaded in T\n"},
		{"load image nope Web web:1 no", "", Failed, "", "", "Error: invalid image name \"Web\": invalid reference format: repository name (library/Web) must be lowercase\n"},
		{"load image nope web:1 no", "", Failed, "", "", "Error: image nope:latest is not there\nError: image no:latest is not there\n"},
		{"load image web:2 --nodes x,worker,y", "", Failed, "", "",
			"Error: cluster \"mkube\" has no node \"x\"; its nodes are mkube-control-plane, mkube-worker\nError: cluster \"mkube\" has no node \"y\"; its nodes are mkube-control-plane, mkube-worker\n"},
		{"load archive -", "piped", OK, "piped\n", "piped\n", "Loading standard input into mkube-control-plane, mkube-worker ...\nLoaded in T\n"},
		{"load image-archive - --nodes worker,mkube-worker", "piped", OK, "", "piped\n", "Loading standard input into mkube-worker ...\nLoaded in T\n"},
		{"load archive no/a.tar - no/b.tar", "", Failed, "", "", "Error: open no/a.tar: no such file or directory\nError: open no/b.tar: no such file or directory\n"},
	} {
		t.Run(tt.line, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "mkube")
			w.in = strings.NewReader(tt.in)
			_, took := w.loads()
			code := w.run(t, tt.line)
			text := secondsTaken.ReplaceAllString(w.err.String(), "T")
			w.err.Reset()
			w.err.WriteString(text)
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
	_, took := w.loads()
	one, two := filepath.Join(w.home, "one.tar"), filepath.Join(w.home, "two.tar.gz")
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	if _, err := io.WriteString(z, "two"); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	for file, data := range map[string][]byte{one: []byte("one"), two: packed.Bytes()} {
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if code := w.run(t, "load archive "+one+" "+two); code != OK {
		t.Errorf("exit code %d: %s", code, w.err.String())
	}
	if got := took["mkube-worker"]; got != "one\ntwo\n" {
		t.Errorf("the worker took %q", got)
	}
}

func TestLoadOfABrokenArchive(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "mkube")
	w.in = strings.NewReader("x")
	w.fake.clusters["mkube"] = w.fake.clusters["mkube"][1:]
	w.fake.clusters["mkube"][0].(*fakeNode).script["ctr"] = fails(1, "a warning of the host\nctr: unexpected EOF")
	w.want(t, w.run(t, "load archive -"), Failed, "",
		"Loading standard input into mkube-worker ...\nError: standard input: loading into mkube-worker: ctr: unexpected EOF\n")
}

func TestLoadWithoutAnEngine(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "mkube")
	w.want(t, w.run(t, "load image web:1"), Failed, "", "Error: no engine here\n")
}

func TestLoadThatCannotBeSaved(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "mkube")
	e, _ := w.loads()
	e.saveErr = errors.New("the disk is full")
	w.want(t, w.run(t, "load image web:2 --nodes worker"), Failed, "",
		"Loading web:2 into mkube-worker ...\nError: saving web:2: the disk is full\n")
}
