//go:build e2e

package e2e

import (
	"context"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/image"
	"golang.org/x/mod/modfile"
)

// TestKubernetesIsOfItsOwnPins checks that the programs added to the one binary do not raise a
// version in Kubernetes' own go.mod. It checks only packages that are linked, because go also
// lists modules that only the tests of a dependency need.
func TestKubernetesIsOfItsOwnPins(t *testing.T) {
	t.Parallel()
	list := func(args ...string) string {
		cmd := exec.CommandContext(t.Context(), "go", append([]string{"list"}, args...)...)
		cmd.Dir = "../node-image/kubernetes"
		cmd.Env = append(os.Environ(), "GOWORK=off", "CGO_ENABLED=0")
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("go list %q: %v", args, err)
		}
		return strings.TrimSpace(string(out))
	}
	built := map[string]string{}
	for line := range strings.Lines(list("-deps", "-f", "{{with .Module}}{{.Path}} {{with .Replace}}{{.Version}}{{else}}{{.Version}}{{end}}{{end}}", ".")) {
		module, version, _ := strings.Cut(strings.TrimSpace(line), " ")
		built[module] = version
	}
	if len(built) < 100 {
		t.Fatalf("the binary is said to be of %d modules only", len(built))
	}
	data, err := os.ReadFile(list("-m", "-f", "{{.GoMod}}", "k8s.io/kubernetes"))
	if err != nil {
		t.Fatal(err)
	}
	upstream, err := modfile.Parse("go.mod", data, nil)
	if err != nil {
		t.Fatal(err)
	}
	staging := strings.Replace(built["k8s.io/kubernetes"], "v1.", "v0.", 1)
	for _, r := range upstream.Require {
		want := r.Mod.Version
		if want == "v0.0.0" {
			want = staging
		}
		if got := built[r.Mod.Path]; got != want && got != "" {
			t.Errorf("%s is built in at %s; Kubernetes pins %s", r.Mod.Path, got, want)
		}
	}
}

// importImage creates an image from the archive of a root file system.
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
	// The context of the test has ended already.
	_, err := daemon.ImageRemove(context.Background(), name, image.RemoveOptions{Force: true, PruneChildren: true})
	if err != nil && !errdefs.IsNotFound(err) {
		t.Errorf("removing %s: %v", name, err)
	}
}
