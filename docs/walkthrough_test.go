package docs

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/mkube/mkube/pkg/bootstrap"
	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/learn/drawing"
	"github.com/mkube/mkube/pkg/learn/tour"
)

var update = flag.Bool("update", false, "write walkthrough.md and its pictures again")

// TestWalkthrough checks that walkthrough.md results from the tour's steps and the recorded
// output, and that each picture shows the graph.
func TestWalkthrough(t *testing.T) {
	t.Parallel()
	steps, err := tour.Steps()
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile("walkthrough/recorded.json")
	if err != nil {
		t.Fatal(err)
	}
	var printed map[string][]string
	if err := json.Unmarshal(data, &printed); err != nil {
		t.Fatal(err)
	}
	page, err := tour.Document(steps, printed, "walkthrough")
	if err != nil {
		t.Fatal(err)
	}
	same(t, "walkthrough.md", []byte(page))
	components := bootstrap.Components(config.Cluster{}.Default())
	want := map[string]bool{"recorded.json": true}
	before := ""
	for _, s := range steps {
		picture, err := drawing.SVG(drawing.Between(components, before, s.Stage))
		if err != nil {
			t.Fatal(err)
		}
		same(t, filepath.Join("walkthrough", s.Name+".svg"), picture)
		want[s.Name+".svg"] = true
		before = s.Stage
	}
	files, err := os.ReadDir("walkthrough")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !want[f.Name()] {
			t.Errorf("walkthrough/%s is of no step", f.Name())
		}
	}
}

func same(t *testing.T, path string, want []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, want, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s is stale (%v): make docs writes it", path, err)
	}
}
