//go:build e2e && nightly

package e2e

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mkube/mkube/pkg/nodeimage"
)

// tools builds the programs that a module of workloads/ pins, unless they are in the cache, and
// returns their folder. The first build of kueue or of Prometheus takes minutes. Tests that run at
// the same time build one after the other.
func tools(t *testing.T, module, tags string) string {
	t.Helper()
	building.Lock()
	defer building.Unlock()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	dir, err := nodeimage.BuildModule(t.Context(), nodeimage.Module{
		Dir: filepath.Join("workloads", module), Tags: tags,
	}, filepath.Join(cache, "mkube", "e2e"), nil)
	if err != nil {
		t.Fatalf("building the programs of workloads/%s: %v", module, err)
	}
	t.Logf("the programs of workloads/%s were ready after %s", module, time.Since(start).Round(time.Second))
	return dir
}

// sources returns the folder with the sources of a module that a module of workloads/ requires.
func sources(t *testing.T, module, required string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "mod", "download", "-json", required)
	cmd.Dir = filepath.Join("workloads", module)
	cmd.Env = append(os.Environ(), "GOWORK=off")
	out, err := cmd.Output()
	var downloaded struct{ Dir string }
	if err == nil {
		err = json.Unmarshal(out, &downloaded)
	}
	if err != nil {
		t.Fatalf("downloading %s: %v\n%s", required, err, out)
	}
	return downloaded.Dir
}

// loadProgram builds an image that contains only a static program at path, and loads it into a
// cluster. The name of the image is mkube/e2e-NAME:test.
func loadProgram(t *testing.T, c cluster, name, program, path string) {
	t.Helper()
	rootfs := filepath.Join(t.TempDir(), name+".tar")
	if err := archiveProgram(rootfs, program, path); err != nil {
		t.Fatalf("archiving %s: %v", program, err)
	}
	image := "mkube/e2e-" + name + ":test"
	t.Cleanup(func() { removeImage(t, image) })
	importImage(t, image, rootfs, `ENTRYPOINT ["`+path+`"]`, "USER 65532:65532")
	mkube(t, "load", "image", image, "--name", c.name)
}

func archiveProgram(file, program, path string) (err error) {
	from, err := os.Open(program)
	if err != nil {
		return err
	}
	defer from.Close()
	info, err := from.Stat()
	if err != nil {
		return err
	}
	to, err := os.Create(file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, to.Close()) }()
	w := tar.NewWriter(to)
	// Programs of some pods write below /tmp, at least while they start.
	if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: "tmp/", Mode: 0o1777}); err != nil {
		return err
	}
	if err := w.WriteHeader(&tar.Header{Name: strings.TrimPrefix(path, "/"), Mode: 0o755, Size: info.Size()}); err != nil {
		return err
	}
	if _, err := io.Copy(w, from); err != nil {
		return err
	}
	return w.Close()
}

// charts is helm, for one cluster.
type charts struct {
	helm string
	env  []string
}

// useCharts prepares helm with a separate kubeconfig, so that it does not use the user's files.
func useCharts(t *testing.T, c cluster, helm string) charts {
	t.Helper()
	dir := t.TempDir()
	kubeconfig := filepath.Join(dir, "kubeconfig")
	if err := os.WriteFile(kubeconfig, []byte(mkube(t, "get", "kubeconfig", "--name", c.name)), 0o600); err != nil {
		t.Fatal(err)
	}
	return charts{helm, append(os.Environ(), "KUBECONFIG="+kubeconfig,
		"HELM_CACHE_HOME="+dir, "HELM_CONFIG_HOME="+dir, "HELM_DATA_HOME="+dir)}
}

// run runs helm, which must succeed.
func (h charts) run(t *testing.T, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), h.helm, args...)
	cmd.Env = h.env
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("helm %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// install installs a chart into a new namespace and waits until its objects are ready.
func (h charts) install(t *testing.T, c cluster, release, chart string, values ...string) {
	t.Helper()
	args := []string{"install", release, chart, "--namespace", release, "--create-namespace", "--wait", "--timeout", "3m"}
	for _, v := range values {
		args = append(args, "--set", v)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the pods of %s:\n%s", release, podsAndLogs(t, c, release))
		}
	})
	h.run(t, args...)
}

// noneLeft checks that no object of some kinds has a word in its name.
func noneLeft(t *testing.T, c cluster, word, kinds string) {
	t.Helper()
	for line := range strings.Lines(c.kubectl(t, "get", kinds, "-A", "-o", "name")) {
		if strings.Contains(line, word) {
			t.Errorf("there is still %s", line)
		}
	}
}

// podsAndLogs returns the description and the logs of the pods of a namespace.
func podsAndLogs(t *testing.T, c cluster, namespace string) string {
	var words strings.Builder
	for _, args := range [][]string{
		{"describe", "pods"},
		{"logs", "--selector", "!none", "--all-containers", "--prefix", "--tail", "30"},
	} {
		args = append([]string{"kubectl", "--name", c.name, "--", "--namespace", namespace}, args...)
		// The context of the test has ended already.
		words.WriteString(tryContext(t, context.Background(), "", args...).String())
	}
	return words.String()
}
