//go:build e2e

package e2e

import (
	"os/exec"
	"regexp"
	"testing"

	"github.com/mkube/mkube/pkg/config"
)

// TestContainerdFieldsAreKnown checks that every field of a node's containerd can be patched. Its
// default configuration is a valid patch, except for the two values that a node relies on.
func TestContainerdFieldsAreKnown(t *testing.T) {
	t.Parallel()
	out, err := exec.Command("docker", "run", "--rm", "--entrypoint", "containerd", "mkube/node:v1.37.2", "config", "default").Output()
	if err != nil {
		t.Fatal(err)
	}
	fixed := regexp.MustCompile(`(?m)^root = .*\n|^ *address = '/run/containerd/containerd.sock'\n`)
	if found := fixed.FindAll(out, -1); len(found) != 2 {
		t.Fatalf("the default configuration has not the root and the socket, but %q", found)
	}
	cfg := config.Cluster{ContainerdConfigPatches: []string{string(fixed.ReplaceAll(out, nil))}}.Default()
	if err := cfg.Validate(); err != nil {
		t.Error(err)
	}
}
