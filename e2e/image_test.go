//go:build e2e

package e2e

import (
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/image"
)

// TestABaseImageInsteadOfMmdebstrap builds the node image upon an image of the
// daemon's: here a bare Debian that the test makes, where others pull one.
func TestABaseImageInsteadOfMmdebstrap(t *testing.T) {
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

// bareDebian makes the smallest Debian that has apt.
func bareDebian(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "debian.tar")
	out, err := exec.CommandContext(t.Context(), "mmdebstrap", "--quiet", "--variant=minbase", "bookworm", file).CombinedOutput()
	if err != nil {
		t.Fatalf("making a bare Debian: %v\n%s", err, out)
	}
	return file
}

// importImage makes an image of a root file system's archive.
func importImage(t *testing.T, name, file string, changes ...string) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	out, err := daemon.ImageImport(t.Context(), image.ImportSource{Source: f, SourceName: "-"}, name, image.ImportOptions{Changes: changes})
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if _, err := io.Copy(io.Discard, out); err != nil {
		t.Fatal(err)
	}
}

func removeImage(t *testing.T, name string) {
	// The test's own context is over by now.
	_, err := daemon.ImageRemove(context.Background(), name, image.RemoveOptions{Force: true, PruneChildren: true})
	if err != nil && !errdefs.IsNotFound(err) {
		t.Errorf("removing %s: %v", name, err)
	}
}
