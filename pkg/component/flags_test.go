package component_test

import (
	"slices"
	"testing"

	"github.com/mkube/mkube/pkg/component"
	"github.com/mkube/mkube/pkg/config"
)

func TestArgs(t *testing.T) {
	t.Parallel()
	flags := []component.Flag{{Name: "z", Value: "1"}, {Name: "b", Value: "2"}}
	for name, test := range map[string]struct {
		extra map[string]map[string]string
		want  []string
	}{
		"mkube's own, in their order":        {nil, []string{"--z=1", "--b=2"}},
		"a value in its place":               {map[string]map[string]string{"x": {"b": "3"}}, []string{"--z=1", "--b=3"}},
		"an empty value is one":              {map[string]map[string]string{"x": {"z": ""}}, []string{"--z=", "--b=2"}},
		"others at the end, by name":         {map[string]map[string]string{"x": {"m": "5", "a": "4", "z": "0"}}, []string{"--z=0", "--b=2", "--a=4", "--m=5"}},
		"those of another component are not": {map[string]map[string]string{"y": {"b": "3"}}, []string{"--z=1", "--b=2"}},
	} {
		if got := component.Args(config.Cluster{ExtraArgs: test.extra}, "x", flags); !slices.Equal(got, test.want) {
			t.Errorf("%s: Args = %q; want %q", name, got, test.want)
		}
	}
	if got := component.Args(config.Cluster{}, "x", nil); len(got) != 0 {
		t.Errorf("Args of no flag = %q", got)
	}
}

func TestFeatureGates(t *testing.T) {
	t.Parallel()
	if got := component.FeatureGates(config.Cluster{}); got != nil {
		t.Errorf("FeatureGates of none = %v", got)
	}
	got := component.FeatureGates(config.Cluster{FeatureGates: map[string]bool{"B": true, "A": false, "C": true}})
	if len(got) != 1 || got[0].Name != "feature-gates" || got[0].Value != "A=false,B=true,C=true" {
		t.Errorf("FeatureGates = %v", got)
	}
}

func TestLeaderElect(t *testing.T) {
	t.Parallel()
	for controlPlanes, want := range map[int]string{1: "false", 2: "true", 3: "true"} {
		if got := component.LeaderElect(controlPlanes); got.Name != "leader-elect" || got.Value != want {
			t.Errorf("LeaderElect(%d) = %v; want %s", controlPlanes, got, want)
		}
	}
}
