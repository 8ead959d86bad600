package nodeimage

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mkube/mkube/pkg/names"
	"github.com/mkube/mkube/pkg/progress"
)

// unpack returns the files of an archive by name.
func unpack(t *testing.T, archive []byte) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	for reader := tar.NewReader(bytes.NewReader(archive)); ; {
		h, err := reader.Next()
		if err == io.EOF {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		if files[h.Name], err = io.ReadAll(reader); err != nil {
			t.Fatal(err)
		}
	}
}

func sum(data []byte) string {
	digest := sha256.Sum256(data)
	return hex.EncodeToString(digest[:])
}

// TestArchive recomputes everything that a daemon checks when it loads an image.
func TestArchive(t *testing.T) {
	t.Parallel()
	dir := makeTree(t)
	var r progress.Recorder
	b := &builder{on: r.On, Options: Options{Tag: "mkube/node:test"}, versions: Versions{Kubernetes: "v1", Etcd: "2", CoreDNS: "v3", Pause: "4", LocalPath: "v5", MetricsServer: "v6"}}
	layers := []layer{
		{"one", func(w io.Writer) error { return writeTar(w, func(t *tree) { t.dir(dir, "opt/x") }) }},
		{"two", func(w io.Writer) error { return writeTar(w, func(t *tree) { t.link("/opt/x/run", "usr/bin/run") }) }},
	}
	var out bytes.Buffer
	if err := b.archive(&out, "the inputs", layers); err != nil {
		t.Fatal(err)
	}
	events := r.Events()
	if last := events[len(events)-1]; events[0].Detail != "computing the digests of the layers" || last.Detail != "the daemon unpacks the layers" || last.Bytes != int64(out.Len()) {
		t.Errorf("the events are %+v; %d bytes were written", events, out.Len())
	}
	files := unpack(t, out.Bytes())
	var manifest []struct {
		Config           string
		RepoTags, Layers []string
	}
	if err := json.Unmarshal(files["manifest.json"], &manifest); err != nil || len(manifest) != 1 {
		t.Fatalf("manifest.json is %s, %v", files["manifest.json"], err)
	}
	m := manifest[0]
	if !slices.Equal(m.RepoTags, []string{"mkube/node:test"}) || !slices.Equal(m.Layers, []string{"one.tar", "two.tar"}) {
		t.Errorf("the manifest is %+v", m)
	}
	if want := sum(files[m.Config]) + ".json"; m.Config != want {
		t.Errorf("the configuration is called %s; want %s", m.Config, want)
	}
	var c config
	if err := json.Unmarshal(files[m.Config], &c); err != nil {
		t.Fatal(err)
	}
	var diffIDs []string
	for _, name := range m.Layers {
		diffIDs = append(diffIDs, "sha256:"+sum(files[name]))
	}
	if c.RootFS.Type != "layers" || !slices.Equal(c.RootFS.DiffIDs, diffIDs) {
		t.Errorf("the configuration has the layers %q; want %q", c.RootFS.DiffIDs, diffIDs)
	}
	want := map[string]string{
		names.LabelInputs: "the inputs", names.LabelKubernetes: "v1", names.LabelEtcd: "2", names.LabelCoreDNS: "v3", names.LabelPause: "4",
		names.LabelLocalPath: "v5", names.LabelMetricsServer: "v6",
	}
	if !reflect.DeepEqual(c.Config.Labels, want) {
		t.Errorf("the labels are %v; want %v", c.Config.Labels, want)
	}
	if c.OS != "linux" || c.Architecture == "" || c.Created.IsZero() || len(c.Config.Entrypoint) != 1 {
		t.Errorf("the configuration is %+v", c)
	}
	if _, ok := c.Config.Volumes["/var"]; !ok {
		t.Error("/var is no volume")
	}
}

func TestArchiveReportsALayersError(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	err := new(builder).archive(io.Discard, "", []layer{{"base", func(io.Writer) error { return broken }}})
	if fmt.Sprint(err) != "writing layer base: broken" || !errors.Is(err, broken) {
		t.Errorf("archive = %v", err)
	}
}

// TestTree checks that root owns all entries, that they have one time and only two modes,
// whichever user built them, and that the archive is the same each time.
func TestTree(t *testing.T) {
	t.Parallel()
	dir := makeTree(t)
	write(t, dir+"/left-out", "x", 0o644)
	if err := os.Chmod(dir+"/sub/file", 0o640); err != nil {
		t.Fatal(err)
	}
	more := t.TempDir()
	if err := os.Mkdir(more+"/sub", 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, more+"/sub/more", "x", 0o600)
	fill := func(tr *tree) {
		tr.dir(dir, "usr/share", "left-out")
		tr.dir(more, "usr/share") // that folder exists already
		tr.link("/usr/share/run", "usr/bin/run")
	}
	var first, second bytes.Buffer
	if err := errors.Join(writeTar(&first, fill), writeTar(&second, fill)); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first.Bytes(), second.Bytes()) {
		t.Error("the second archive is not the first")
	}
	var got []string
	for reader := tar.NewReader(&first); ; {
		h, err := reader.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Uid != 0 || h.Gid != 0 || h.Uname != "" || !h.ModTime.Equal(time.Unix(0, 0)) {
			t.Errorf("%s is %d:%d's (%s), of %s", h.Name, h.Uid, h.Gid, h.Uname, h.ModTime)
		}
		got = append(got, strings.TrimSpace(fmt.Sprintf("%s %o %s", h.Name, h.Mode, h.Linkname)))
	}
	want := []string{
		"usr/ 755", "usr/share/ 755", "usr/share/link 755 run", "usr/share/run 755", "usr/share/sub/ 755", "usr/share/sub/file 644",
		"usr/share/sub/more 644", "usr/bin/ 755", "usr/bin/run 777 /usr/share/run",
	}
	if !slices.Equal(got, want) {
		t.Errorf("the archive has %q; want %q", got, want)
	}
}

func TestTreeErrors(t *testing.T) {
	t.Parallel()
	after := false
	err := writeTar(io.Discard, func(tr *tree) {
		tr.dir("no/such/folder", "x")
		tr.link("a", "b")
		tr.dir(".", "y")
		after = len(tr.made) > 1
	})
	if !errors.Is(err, os.ErrNotExist) || after {
		t.Errorf("writeTar = %v, going on: %t", err, after)
	}
}

// TestLayers checks the image's own binaries, the links to the one binary, and that the base is
// first.
func TestLayers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	binary := filepath.Join(dir, "preloaded/io.containerd.snapshotter.v1.overlayfs/snapshots/1/fs/usr/local/bin/kubernetes")
	outputs := map[string]string{}
	for _, path := range []string{binary, dir + "/source/rootfs/etc/x", dir + "/cni-plugins/bridge", dir + "/containerd/containerd", dir + "/containerd/preload", dir + "/crictl/crictl", dir + "/mkube-node/mkube-node", dir + "/runc/runc", dir + "/extra/rbac.jsonl"} {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		write(t, path, "x", 0o755)
		outputs[filepath.Base(filepath.Dir(path))] = filepath.Dir(path)
	}
	var base bytes.Buffer
	if err := writeTar(&base, func(tr *tree) { tr.link("else", "the/base") }); err != nil {
		t.Fatal(err)
	}
	write(t, dir+"/base.tar", base.String(), 0o644)
	b := &builder{Options: Options{Source: dir + "/source"}}
	layers, err := b.layers(dir+"/base.tar", dir+"/preloaded", dir+"/extra", outputs)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := layers[0].write(&out); err != nil || out.String() != base.String() {
		t.Errorf("the first layer is %q, %v; want the base", out.String(), err)
	}
	var rest []string
	for _, l := range layers[1:] {
		out.Reset()
		if err := l.write(&out); err != nil {
			t.Fatal(err)
		}
		for name := range unpack(t, out.Bytes()) {
			rest = append(rest, name)
		}
	}
	for _, want := range []string{
		"opt/cni/bin/bridge", "usr/share/mkube/cni/bridge", "usr/local/bin/containerd", "usr/local/bin/ctr", "usr/share/mkube/bin/runc", "usr/local/bin/runc",
		"usr/share/mkube/rbac.jsonl", "usr/local/bin/kubelet", "usr/local/bin/kubectl", "usr/share/mkube/bin/mkube-node", "usr/local/bin/mkube-probe", "etc/x",
	} {
		if !slices.Contains(rest, want) {
			t.Errorf("no layer has %s", want)
		}
	}
	for _, name := range rest {
		if strings.HasSuffix(name, "/preload") {
			t.Errorf("the tool that preloads is in the image: %s", name)
		}
	}
	if _, err := b.layers(dir+"/base.tar", dir+"/empty", dir+"/extra", outputs); err == nil || strings.Contains(err.Error(), "%!w") {
		t.Errorf("without the one binary, layers = %v", err)
	}
}

// daemon is a container engine with one image.
type daemon struct {
	label  string
	loaded []byte
}

func (d *daemon) Label(context.Context, string, string) (string, error) { return d.label, nil }

func (d *daemon) Load(_ context.Context, archive io.Reader) (err error) {
	d.loaded, err = io.ReadAll(archive)
	return err
}

func (d *daemon) Flatten(_ context.Context, image string, packages []string, w io.Writer) error {
	out := tar.NewWriter(w)
	content := fmt.Sprintln(image, packages)
	for _, name := range []string{"etc/made-of", "var/cache/apt/x", "var/lib/dpkg/status", "var/lib/dpkg-not"} {
		if err := addFile(out, name, []byte(content)); err != nil {
			return err
		}
	}
	for _, h := range []tar.Header{
		{Typeflag: tar.TypeDir, Name: "./var/lib/dpkg/", Mode: 0o755}, {Typeflag: tar.TypeDir, Name: "var/tmp/", Mode: 0o1777},
		{Typeflag: tar.TypeSymlink, Name: "var/run", Linkname: "/run"},
	} {
		if err := out.WriteHeader(&h); err != nil {
			return err
		}
	}
	return out.Close()
}

// TestAssembleKnowsItsInputs checks that an image with the same inputs is not built again.
func TestAssembleKnowsItsInputs(t *testing.T) {
	t.Parallel()
	d := new(daemon)
	b := &builder{Options: Options{Source: source, Cache: t.TempDir(), Tag: "mkube/node:x", Daemon: d}}
	inputs, _, err := b.inputs("/cache/base/digest/base.tar")
	if err != nil {
		t.Fatal(err)
	}
	d.label = inputs
	result, err := b.assemble(t.Context(), "/cache/base/digest/base.tar")
	if err != nil || result.Fresh || result.Tag != "mkube/node:x" || d.loaded != nil {
		t.Errorf("assemble = %+v, %v; want nothing to be done", result, err)
	}
	if other, _, err := b.inputs("/cache/base/else/base.tar"); err != nil || other == inputs {
		t.Errorf("another base gives the same inputs, %v", err)
	}
	b.versions.Pause = "9"
	if other, _, err := b.inputs("/cache/base/digest/base.tar"); err != nil || other == inputs {
		t.Errorf("another version gives the same inputs, %v", err)
	}
}

func TestBaseOfAnImage(t *testing.T) {
	t.Parallel()
	b := &builder{Options: Options{Source: source, Cache: t.TempDir(), BaseImage: "debian:12", Daemon: new(daemon)}}
	archive, err := b.base(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(archive)
	if err != nil {
		t.Fatal(err)
	}
	files := unpack(t, data)
	if got := string(files["etc/made-of"]); !strings.HasPrefix(got, "debian:12 [") || !strings.Contains(got, "nftables") {
		t.Errorf("the base is made of %q", got)
	}
	// /var contains only folders and links, and the package database is in /usr.
	want := []string{"etc/made-of", "usr/lib/sysimage/dpkg/", "usr/lib/sysimage/dpkg/status", "var/run", "var/tmp/"}
	if got := slices.Sorted(maps.Keys(files)); !slices.Equal(got, want) {
		t.Errorf("the base has %q; want %q", got, want)
	}
	b.BaseImage = "debian:13"
	if other, err := b.base(t.Context()); err != nil || other == archive {
		t.Errorf("another image gives the same base, %v", err)
	}
}
