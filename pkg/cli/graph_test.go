package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestGraph(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"graph":            "kube-apiserver             needs etcd\n",
		"graph -o mermaid": "flowchart LR\n",
		"graph -o dot":     `  "etcd" -> "kube-apiserver"` + "\n",
		"graph -o svg":     "kube-apiserver</text>",
	} {
		t.Run(line, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			if code := w.run(t, line); code != OK || !strings.Contains(w.out.String(), want) || w.err.Len() > 0 {
				t.Errorf("exit code %d, got\n%s%swant %s in it", code, w.out.String(), w.err.String(), want)
			}
		})
	}
}

// TestGraphOfAConfiguration checks that the graph contains only the components of the
// configuration, and only edges between them.
func TestGraphOfAConfiguration(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "c.yaml")
	const file = "apiVersion: mkube.dev/v1alpha1\nkind: Cluster\naddons: [metrics-server]\nnetworking: {kubeProxyMode: none, disableDefaultCNI: true}\n"
	if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	w := newWorld(t)
	if code := w.run(t, "graph --config "+path); code != OK {
		t.Fatalf("exit code %d: %s", code, w.err.String())
	}
	got := w.out.String()
	if !strings.Contains(got, "metrics-server ") || strings.Contains(got, "kube-proxy") || strings.Contains(got, "cni") {
		t.Errorf("got\n%s", got)
	}
}

func TestGraphOfAMistake(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.in = strings.NewReader("apiVersion: mkube.dev/v1alpha1\nkind: Cluster\nnodse: []\n")
	if code := w.run(t, "graph --config -"); code != Usage || w.out.Len() > 0 || !strings.Contains(w.err.String(), "nodse") {
		t.Errorf("exit code %d, got\n%s%s", code, w.out.String(), w.err.String())
	}
}
