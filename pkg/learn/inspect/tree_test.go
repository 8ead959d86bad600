package inspect_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/mkube/mkube/pkg/learn/inspect"
)

var update = flag.Bool("update", false, "write the golden files again")

// golden compares a text with a file in testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; go test ./pkg/inspect -update writes it", err)
	}
	if got != string(want) {
		t.Errorf("%s is not what came; go test ./pkg/inspect -update writes it again:\n%s", path, got)
	}
}

// server returns responses from a YAML file, by path. A response that is a string is an error.
type server map[string]any

func newServer(t *testing.T, file string) server {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", file))
	if err != nil {
		t.Fatal(err)
	}
	s := server{}
	if err := yaml.Unmarshal(data, &s); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s server) Raw(_ context.Context, path, accept string) ([]byte, error) {
	answer, ok := s[path]
	if message, isError := answer.(string); isError {
		return nil, errors.New(message)
	}
	if !ok {
		return nil, fmt.Errorf("the API server answers 404: could not find %s", path)
	}
	if strings.HasSuffix(path, "/secrets") && !strings.Contains(accept, "PartialObjectMetadata") {
		return nil, errors.New("it asks for the Secrets' data")
	}
	return json.Marshal(answer)
}

func TestTree(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ golden, kind, name, namespace, missing string }{
		{"tree-deployment.golden", "deploy", "web", "default", ""},
		{"tree-deployment.golden", "Deployments.apps", "web", "default", ""},
		{"tree-deployment.golden", "deployment.v1.apps", "web", "default", ""},
		{"tree-node.golden", "no", "n1", "default", ""},
		{"tree-states.golden", "widget", "all", "default", ""},
	} {
		s := newServer(t, "objects.yaml")
		root, missing, err := inspect.Tree(t.Context(), s, test.kind, test.name, test.namespace)
		if err != nil || missing != test.missing {
			t.Errorf("Tree(%s/%s) misses %q, %v; want %q", test.kind, test.name, missing, err, test.missing)
			continue
		}
		golden(t, test.golden, root.Text())
	}
}

// TestTreeWithoutSome checks that kinds that cannot be listed do not hide others, and are named
// in a line.
func TestTreeWithoutSome(t *testing.T) {
	t.Parallel()
	s := newServer(t, "objects.yaml")
	s["/apis/example.com/v1/namespaces/default/widgets"] = "it is broken"
	s["/api/v1/namespaces/default/services"] = "so is this"
	s["/apis"].(map[string]any)["items"] = append(s["/apis"].(map[string]any)["items"].([]any), map[string]any{
		"metadata": map[string]any{"name": "metrics.k8s.io"},
		"versions": []any{map[string]any{"version": "v1beta1", "freshness": "Stale"}},
	})
	root, missing, err := inspect.Tree(t.Context(), s, "deploy", "web", "default")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "tree-deployment.golden", root.Text())
	const want = "these kinds could not be listed, so their objects may be missing: metrics.k8s.io/v1beta1, services of v1, widgets of example.com/v1 (so is this)"
	if missing != want {
		t.Errorf("got %q; want %q", missing, want)
	}
}

func TestTreeErrors(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ kind, name, want, candidate string }{
		{"deploymnt", "web", `the cluster has no kind "deploymnt" that can be listed`, "deployment"},
		{"deploy.batch", "web", `the cluster has no kind "deploy.batch" that can be listed`, "deployment"},
		{"deploy", "wbe", `deployment "wbe" does not exist in namespace "default"`, "web"},
		{"node", "n2", `node "n2" does not exist`, "n1"},
		{"binding", "b", `the cluster has no kind "binding" that can be listed`, ""},
	} {
		_, _, err := inspect.Tree(t.Context(), newServer(t, "objects.yaml"), test.kind, test.name, "default")
		var unknown *inspect.UnknownError
		if !errors.As(err, &unknown) || err.Error() != test.want || test.candidate != "" && !strings.Contains(fmt.Sprint(unknown.Candidates), test.candidate) {
			t.Errorf("Tree(%s/%s): %v; want %s", test.kind, test.name, err, test.want)
		}
	}
	if _, _, err := inspect.Tree(t.Context(), server{}, "deploy", "web", "default"); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("without an API it is %v", err)
	}
}
