package kubeconfig_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mkube/mkube/pkg/kubeconfig"
)

func TestPaths(t *testing.T) {
	t.Parallel()
	list := func(paths ...string) string { return strings.Join(paths, string(filepath.ListSeparator)) }
	home := []string{filepath.Join("home", ".kube", "config")}
	for name, test := range map[string]struct {
		explicit, env string
		want          []string
	}{
		"nothing said":         {"", "", home},
		"a variable":           {"", "a", []string{"a"}},
		"a list":               {"", list("b", "a"), []string{"b", "a"}},
		"empty and repeated":   {"", list("", "b", "a", "", "b"), []string{"b", "a"}},
		"only empty":           {"", list("", ""), home},
		"a flag":               {"f", "", []string{"f"}},
		"a flag over the rest": {list("f", "g"), list("b", "a"), []string{list("f", "g")}},
	} {
		getenv := func(key string) string {
			if key != "KUBECONFIG" {
				t.Errorf("%s: asked for %s", name, key)
			}
			return test.env
		}
		if got := kubeconfig.Paths(test.explicit, getenv, "home"); !slices.Equal(got, test.want) {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}
