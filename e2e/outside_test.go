//go:build e2e

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mkube/mkube/internal/testing/providertest"
	"github.com/mkube/mkube/pkg/provider"
	"github.com/mkube/mkube/pkg/provider/external"
)

// TestProviderFromOutside builds the example of docs/provider-protocol.md. It must pass the test
// of every provider, and create a cluster.
func TestProviderFromOutside(t *testing.T) {
	if !inOwnProcess(t) {
		return
	}
	dir := t.TempDir()
	program := filepath.Join(dir, "mkube-provider-example")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, "../docs/provider-example").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	t.Setenv("XDG_DATA_HOME", filepath.Join(dir, "data"))
	t.Run("it passes providertest", func(t *testing.T) {
		// This hides the optional interfaces, which the example does not implement.
		p := struct{ provider.Provider }{external.New(program, filepath.Join(dir, "clusters"))}
		providertest.Run(t, p, "mkube/node:v1.37.2")
	})
	c := create(t, "e2e-outside", "", "--provider", "example")
	if out := c.kubectl(t, "get", "nodes", "--no-headers"); !strings.Contains(out, " Ready ") {
		t.Error(out)
	}
	if out := mkube(t, "get", "clusters"); !strings.Contains(out, c.name+"\n") {
		t.Errorf("the cluster is not listed:\n%s", out)
	}
	r := try(t, "", "stop", "cluster", "--name", c.name)
	if want := "Error: mkube-provider-example: stop: the example cannot stop\n"; r.code != 1 || r.stderr != want {
		t.Errorf("what it cannot: %s", r)
	}
}
