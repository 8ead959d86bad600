//go:build e2e && nightly

package e2e

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestABaseImageInsteadOfMmdebstrap builds the node image on an image of the daemon. The test builds
// that image, a minimal Debian. Users would pull one.
func TestABaseImageInsteadOfMmdebstrap(t *testing.T) {
	t.Parallel()
	const debian, node = "mkube/e2e-debian:test", "mkube/e2e-based:test"
	for _, name := range []string{debian, node} {
		t.Cleanup(func() { removeImage(t, name) })
	}
	importImage(t, debian, bareDebian(t))
	r := try(t, "", "build", "node-image", "--base-image", debian, "--image", node, "--source", "../node-image", "--progress", "plain")
	if r.code != 0 {
		t.Fatal(r)
	}
	c := create(t, "e2e-based", "", "--image", node)
	if out := c.kubectl(t, "get", "nodes", "--no-headers"); !strings.Contains(out, " Ready ") {
		t.Error(out)
	}
}

// bareDebian builds the smallest Debian image that has apt.
func bareDebian(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "debian.tar")
	out, err := exec.CommandContext(t.Context(), "mmdebstrap", "--quiet", "--variant=minbase", "bookworm", file).CombinedOutput()
	if err != nil {
		t.Fatalf("making a bare Debian: %v\n%s", err, out)
	}
	return file
}
