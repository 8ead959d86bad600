//go:build e2e

package e2e

import (
	"maps"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"testing"

	"github.com/pelletier/go-toml/v2"
)

// hiddenFlags are flags that a component has, but does not print, because they are deprecated.
var hiddenFlags = map[string][]string{
	"kube-apiserver": {
		"admission-control", "apiserver-count", "audit-webhook-batch-initial-backoff", "default-watch-cache-size", "kubelet-port",
		"kubelet-read-only-port",
	},
}

// TestFlagsAreKnown checks that mkube knows the flags that the components of the node image print.
func TestFlagsAreKnown(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("../pkg/config/flags.toml")
	if err != nil {
		t.Fatal(err)
	}
	var known map[string]map[string]string
	if err := toml.Unmarshal(data, &known); err != nil {
		t.Fatal(err)
	}
	printed := regexp.MustCompile(`(?m)^ {2,}(?:-[a-z], )?--([a-z][a-z0-9-]*)`)
	for _, component := range []string{
		"kubelet", "etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "cloud-controller-manager", "metrics-server",
	} {
		out, err := exec.CommandContext(t.Context(), "docker", "run", "--rm", "--entrypoint", component, "mkube/node:v1.37.2", "--help").CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", component, err, out)
		}
		flags := map[string]bool{}
		for _, m := range printed.FindAllSubmatch(out, -1) {
			flags[string(m[1])] = true
		}
		for _, hidden := range hiddenFlags[component] {
			flags[hidden] = true
		}
		for _, exits := range []string{"help", "version"} {
			delete(flags, exits)
		}
		got, want := slices.Sorted(maps.Keys(known[component])), slices.Sorted(maps.Keys(flags))
		if !slices.Equal(got, want) {
			t.Errorf("flags.toml has these flags of %s:\n%q\nbut it has\n%q", component, got, want)
		}
	}
}
