package fault

import (
	"strings"
	"testing"

	"github.com/mkube/mkube/pkg/component"
)

// TestAll: each fault has a name of its own, is about one component, and leads to its
// cause step by step.
func TestAll(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	var g component.Graph
	for _, f := range all() {
		if f.Name == "" || seen[f.Name] || f.Component == "" || f.breaks == nil || f.well == nil {
			t.Errorf("fault %q of %q is not complete, or is there twice", f.Name, f.Component)
		}
		seen[f.Name] = true
		if !strings.HasSuffix(f.Symptom, ".") || len(f.Hints) < 2 {
			t.Errorf("fault %s is noticed as %q, and has %d hints", f.Name, f.Symptom, len(f.Hints))
		}
		if strings.Contains(f.Symptom, f.Component) {
			t.Errorf("the symptom of %s names its component, %s", f.Name, f.Component)
		}
		g = append(g, component.Component{Name: f.Component})
	}
	if len(seen) < 12 {
		t.Errorf("there are only %d faults", len(seen))
	}
	if got := In(g); len(got) != len(seen) {
		t.Errorf("a cluster of all components can have %d faults of %d", len(got), len(seen))
	}
	if got := Names(In(component.Graph{{Name: "etcd"}})); strings.Join(got, " ") != "etcd-full" {
		t.Errorf("a cluster of etcd alone can have %q", got)
	}
}
