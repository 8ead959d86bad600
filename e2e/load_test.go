//go:build e2e

package e2e

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	ocidigest "github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// saved is an image of the daemon, taken apart.
type saved struct {
	config string
	layers []string
}

// saveWeb returns the web server's image.
func saveWeb(t *testing.T) saved {
	t.Helper()
	buildWeb(t)
	archive, err := daemon.ImageSave(t.Context(), []string{webImage})
	if err != nil {
		t.Fatal(err)
	}
	defer archive.Close()
	files := map[string]string{}
	for r := tar.NewReader(archive); ; {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		files[h.Name] = string(data)
	}
	var manifest []struct {
		Config string
		Layers []string
	}
	if err := json.Unmarshal([]byte(files["manifest.json"]), &manifest); err != nil || len(manifest) != 1 {
		t.Fatalf("the manifest is %s, %v", files["manifest.json"], err)
	}
	s := saved{config: files[manifest[0].Config]}
	for _, name := range manifest[0].Layers {
		s.layers = append(s.layers, files[name])
	}
	return s
}

func (s saved) id() string { return ocidigest.FromString(s.config).String() }

// with returns the image with a field of its configuration changed.
func (s saved) with(t *testing.T, field string, value any) saved {
	t.Helper()
	config := map[string]any{}
	if err := json.Unmarshal([]byte(s.config), &config); err != nil {
		t.Fatal(err)
	}
	config[field] = value
	return saved{jsonOf(t, config), s.layers}
}

func jsonOf(t *testing.T, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// archived is a file of an archive.
type archived struct{ name, data string }

func tarOf(t *testing.T, files []archived) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, f := range files {
		if err := w.WriteHeader(&tar.Header{Name: f.name, Mode: 0o644, Size: int64(len(f.data))}); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, f.data); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// dockerFiles returns the files that docker save writes of the image.
func (s saved) dockerFiles(t *testing.T, tags ...string) []archived {
	files := []archived{{"config.json", s.config}}
	var names []string
	for i, layer := range s.layers {
		names = append(names, fmt.Sprintf("%d/layer.tar", i))
		files = append(files, archived{names[i], layer})
	}
	manifest := []map[string]any{{"Config": "config.json", "RepoTags": tags, "Layers": names}}
	return append(files, archived{"manifest.json", jsonOf(t, manifest)})
}

// layoutFiles returns the files that docker save writes of the image from containerd's image store,
// if it was pulled: an index of all platforms and an attestation, with the content of one platform.
// It also returns the digest of the index.
func (s saved) layoutFiles(t *testing.T, name string) ([]archived, ocidigest.Digest) {
	var files []archived
	blob := func(media, data string) ocispec.Descriptor {
		d := ocispec.Descriptor{MediaType: media, Digest: ocidigest.FromString(data), Size: int64(len(data))}
		files = append(files, archived{"blobs/sha256/" + d.Digest.Encoded(), data})
		return d
	}
	m := ocispec.Manifest{MediaType: ocispec.MediaTypeImageManifest, Config: blob(ocispec.MediaTypeImageConfig, s.config)}
	m.SchemaVersion = 2
	for _, layer := range s.layers {
		m.Layers = append(m.Layers, blob(ocispec.MediaTypeImageLayer, layer))
	}
	here := blob(m.MediaType, jsonOf(t, m))
	here.Platform = &ocispec.Platform{OS: "linux", Architecture: "amd64"}
	index := ocispec.Index{MediaType: ocispec.MediaTypeImageIndex, Manifests: []ocispec.Descriptor{here}}
	index.SchemaVersion = 2
	for _, other := range []string{"386", "arm64", "unknown"} {
		d := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: ocidigest.FromString(other), Size: 500}
		d.Platform = &ocispec.Platform{OS: "linux", Architecture: other}
		index.Manifests = append(index.Manifests, d)
	}
	top := blob(index.MediaType, jsonOf(t, index))
	top.Annotations = map[string]string{"io.containerd.image.name": name}
	list := ocispec.Index{Manifests: []ocispec.Descriptor{top}}
	list.SchemaVersion = 2
	return append(files, archived{"index.json", jsonOf(t, list)}, archived{"oci-layout", `{"imageLayoutVersion":"1.0.0"}`}), top.Digest
}

// loadArchives loads archives of all kinds into a cluster.
func loadArchives(t *testing.T, c cluster) {
	image := saveWeb(t)
	file := func(data []byte) string {
		name := filepath.Join(t.TempDir(), "image.tar")
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	t.Run("docker save with two tags", func(t *testing.T) {
		c.loads(t, file(tarOf(t, image.dockerFiles(t, "e2e/two:1", "e2e/two:2"))), "")
		c.wantNames(t, "e2e/two", ":1", ":2")
	})
	files, index := image.layoutFiles(t, "docker.io/e2e/index:1")
	names := []string{":1", "@" + index.String()}
	t.Run("an index without other platforms, through a pipe", func(t *testing.T) {
		c.loads(t, "-", string(tarOf(t, files)))
		c.wantNames(t, "e2e/index", names...)
		c.runs(t, "index", "e2e/index@"+index.String())
	})
	t.Run("the same, compressed", func(t *testing.T) {
		c.forgets(t, "e2e/index:1")
		var packed bytes.Buffer
		w := gzip.NewWriter(&packed)
		if _, err := w.Write(tarOf(t, files)); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		c.loads(t, file(packed.Bytes()), "")
		c.wantNames(t, "e2e/index", names...)
	})
	t.Run("the same, as a folder", func(t *testing.T) {
		c.forgets(t, "e2e/index:1")
		dir := t.TempDir()
		for _, f := range files {
			name := filepath.Join(dir, f.name)
			if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(name, []byte(f.data), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		c.loads(t, dir, "")
		c.wantNames(t, "e2e/index", names...)
	})
	t.Run("no name", func(t *testing.T) {
		unnamed := image.with(t, "author", "nobody")
		r := c.loads(t, file(tarOf(t, unnamed.dockerFiles(t))), "")
		if !strings.Contains(r.stderr, unnamed.id()+" has no name in ") {
			t.Error(r)
		}
		c.runs(t, "unnamed", unnamed.id())
	})
	t.Run("another architecture", func(t *testing.T) {
		arm := image.with(t, "architecture", "arm64")
		want := "e2e/arm:1 is for linux/arm64, and node " + c.name + "-control-plane is linux/amd64: build it with --platform linux/amd64\n"
		for _, how := range []string{file(tarOf(t, arm.dockerFiles(t, "e2e/arm:1"))), "-"} {
			r := try(t, string(tarOf(t, arm.dockerFiles(t, "e2e/arm:1"))), "load", "archive", how, "--name", c.name)
			if r.code != 1 || !strings.HasSuffix(r.stderr, want) || how != "-" && strings.Count(r.stderr, "\n") != 1 {
				t.Error(r)
			}
		}
		c.wantNames(t, "e2e/arm")
	})
	t.Run("a broken layer leaves the names as they were", func(t *testing.T) {
		c.loads(t, file(tarOf(t, image.dockerFiles(t, "e2e/two:1"))), "")
		broken := image.with(t, "rootfs", map[string]any{"type": "layers", "diff_ids": []string{ocidigest.FromString("no archive").String()}})
		broken.layers = []string{"no archive"}
		r := try(t, "", "load", "archive", file(tarOf(t, broken.dockerFiles(t, "e2e/two:1", "e2e/broken:1"))), "--name", c.name)
		if r.code != 1 || !strings.Contains(r.stderr, "loading into "+c.name+"-control-plane: ctr: ") {
			t.Error(r)
		}
		c.wantNames(t, "e2e/broken")
		c.wantNames(t, "e2e/two", ":1")
		c.runs(t, "two", "e2e/two:1")
		if r := c.sh(t, "ctr --namespace k8s.io images list --quiet"); strings.Contains(r.stdout, broken.id()) {
			t.Errorf("the ID is left: %s", r)
		}
	})
	t.Run("an interrupted input", func(t *testing.T) { c.loadIsInterrupted(t, tarOf(t, image.dockerFiles(t, "e2e/half:1"))) })
}

// loads loads an archive, which must succeed.
func (c cluster) loads(t *testing.T, archive, stdin string) result {
	t.Helper()
	r := try(t, stdin, "load", "archive", archive, "--name", c.name)
	r.wants(t, 0)
	return r
}

// forgets removes an image from the node.
func (c cluster) forgets(t *testing.T, name string) {
	t.Helper()
	if r := c.sh(t, "crictl rmi docker.io/"+name); r.code != 0 {
		t.Fatal(r)
	}
}

// wantNames checks the tags and digests that crictl shows of a repository.
func (c cluster) wantNames(t *testing.T, repository string, want ...string) {
	t.Helper()
	r := c.sh(t, "crictl images --output json")
	var list struct {
		Images []struct{ RepoTags, RepoDigests []string }
	}
	if err := json.Unmarshal([]byte(r.stdout), &list); err != nil {
		t.Fatalf("%v: %s", err, r)
	}
	var got []string
	for _, i := range list.Images {
		for _, name := range append(i.RepoTags, i.RepoDigests...) {
			if rest, ok := strings.CutPrefix(name, "docker.io/"+repository); ok {
				got = append(got, rest)
			}
		}
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("the node has %s as %q, want %q", repository, got, want)
	}
}

// runs runs a pod with an image that is on the node.
func (c cluster) runs(t *testing.T, pod, image string) {
	t.Helper()
	c.kubectl(t, "run", pod, "--image", image, "--image-pull-policy", "IfNotPresent")
	c.kubectl(t, "wait", "--for=condition=Ready", "--timeout=120s", "pod/"+pod)
	c.kubectl(t, "delete", "pod", pod, "--grace-period=1", "--wait=false")
}

// loadIsInterrupted loads the beginning of an archive from a pipe that stays open, until a line with
// bytes appears, and then ends the command.
func (c cluster) loadIsInterrupted(t *testing.T, archive []byte) {
	cmd := exec.CommandContext(t.Context(), *mkubePath, "load", "archive", "-", "--name", c.name)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	var text terminalText
	cmd.Stdout, cmd.Stderr = &text, &text
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	half := archive[:len(archive)/2]
	if _, err := in.Write(half[:len(half)-1000]); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it tells its bytes", func() (bool, string) {
		if _, err := in.Write(half[len(half)-1000:]); err != nil {
			return false, err.Error()
		}
		return strings.Contains(text.String(), " MiB\n"), text.String()
	})
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); cmd.ProcessState.ExitCode() != 130 {
		t.Errorf("%v: %s", err, text.String())
	}
	c.wantNames(t, "e2e/half")
	if r := c.sh(t, "ps -eo args | grep '[i]mages import'"); r.stdout != "" {
		t.Errorf("the import is left: %s", r)
	}
}
