package transfer

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/klauspost/compress/zstd"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/mkube/mkube/pkg/progress"
	"github.com/mkube/mkube/pkg/provider"
)

// Images for several platforms.
var (
	web    = crafted{"linux/amd64", []string{"base", "web"}}
	webARM = crafted{"linux/arm64", []string{"base for arm", "web for arm"}}
	web386 = crafted{"linux/386", []string{"base for 386", "web for 386"}}
	db     = crafted{"linux/amd64", []string{"base", "db", ""}}
)

// load loads archives into nodes, and returns what was loaded as text.
func load(t *testing.T, archives []*Archive, nodes ...*ctrNode) (string, error) {
	t.Helper()
	var list []provider.Node
	for _, n := range nodes {
		list = append(list, n.node())
	}
	var loaded []string
	err := LoadArchives(t.Context(), archives, list, nil, func(a *Archive, l Loaded) {
		loaded = append(loaded, fmt.Sprintf("%s: %v %v on %v", a.Name, l.Names, l.Unnamed, l.Nodes))
	})
	return strings.Join(loaded, "\n"), err
}

// stream returns an archive that can be read once, in small pieces.
func stream(data []byte) *Archive {
	return &Archive{Name: "stream", stream: iotest.HalfReader(bytes.NewReader(data))}
}

// inFile returns an archive in a file.
func inFile(t *testing.T, data []byte) *Archive {
	t.Helper()
	name := filepath.Join(t.TempDir(), "images.tar")
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return open(t, name)
}

func open(t *testing.T, name string) *Archive {
	t.Helper()
	a, err := OpenArchive(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
	a.Name = "file"
	return a
}

// inFolder returns an archive that is a folder.
func inFolder(t *testing.T, entries []tarEntry) *Archive {
	t.Helper()
	dir := t.TempDir()
	for _, e := range entries {
		name := filepath.Join(dir, e.name)
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(e.data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return open(t, dir)
}

func gzipped(t *testing.T, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func zstded(t *testing.T, data []byte) []byte {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return w.EncodeAll(data, nil)
}

const (
	webName = "docker.io/library/web:1"
	dbName  = "docker.io/library/db:2"
)

// TestLoadArchives loads archives of every kind, from a file, from a stream, and compressed.
func TestLoadArchives(t *testing.T) {
	t.Parallel()
	at := func(d ocispec.Descriptor) string { return "docker.io/library/web@" + d.Digest.String() }
	l := newLayout(t)
	single := l.manifest(web)
	multi := func(lost ...crafted) (*layout, ocispec.Descriptor) {
		l := newLayout(t)
		d := l.multi(web, webARM, web386)
		for _, i := range lost {
			l.lose(i)
		}
		return l, d
	}
	whole, index := multi()
	noARM, _ := multi(webARM)
	noOther, _ := multi(webARM, web386)
	only386, _ := multi(web, webARM)
	// Docker 25 and newer, with its own image store: both formats, of which index.json lists only
	// the first image without a name.
	both := newLayout(t).name(single, webName)
	both.manifest(web)
	both.manifest(db)
	bothEntries := append(both.entries(), tarEntry{name: "manifest.json", data: toJSON(t, []dockerImage{
		{Config: blobPath(digest.Digest(web.id(t))), RepoTags: []string{"web:1"}, Layers: paths("base", "web")},
		{Config: blobPath(digest.Digest(db.id(t))), Layers: paths("base", "db", "")},
	})})
	unlisted := newLayout(t)
	unlisted.name(unlisted.manifest(web), "")
	unlistedEntries := append(unlisted.entries(), tarEntry{name: "manifest.json", data: toJSON(t, []dockerImage{
		{Config: blobPath(digest.Digest(web.id(t))), RepoTags: []string{"web:1", "web:2"}, Layers: paths("base", "web")},
	})})
	refOnly := func(ref string) []tarEntry {
		l := newLayout(t)
		d := l.manifest(web)
		d.Annotations = map[string]string{"org.opencontainers.image.ref.name": ref}
		l.index.Manifests = []ocispec.Descriptor{d}
		return l.entries()
	}
	bare := newLayout(t)
	bare.name(ocispec.Descriptor{Digest: bare.manifest(web).Digest}, webName)
	perPlatform := newLayout(t)
	for _, i := range []crafted{webARM, web} {
		d := perPlatform.manifest(i)
		d.Platform = i.spec()
		perPlatform.name(d, "")
	}
	sameName := newLayout(t)
	sameName.name(sameName.manifest(webARM), webName).name(sameName.manifest(web), webName)
	signature := newLayout(t)
	signature.name(signature.manifest(web), webName)
	for name, config := range map[string]string{"web:sha256-1.sig": (crafted{"", []string{"signed"}}).config(t), "chart:1": `{"name":"chart"}`} {
		signature.name(signature.blob(ocispec.MediaTypeImageManifest, toJSON(t, ocispec.Manifest{
			Config: signature.blob(ocispec.MediaTypeImageConfig, config), Layers: []ocispec.Descriptor{signature.blob("application/json", "signed")},
		})), "docker.io/library/"+name)
	}

	for _, tt := range []struct {
		name    string
		entries []tarEntry
		names   string // on the node
		loaded  string
	}{
		{"docker save before Docker 25", dockerArchive(t, map[string]crafted{"web:1": web}), webName, "[web:1] []"},
		{"several images, tags and links", dockerArchive(t, map[string]crafted{"web:1 example.com/web:latest": web, "db:2": db}),
			"docker.io/library/db:2 docker.io/library/web:1 example.com/web:latest", "[db:2 web:1 example.com/web:latest] []"},
		{"docker save of an ID", dockerArchive(t, map[string]crafted{"": web}), "", "[] [" + web.id(t) + "]"},
		{"an image without a platform", dockerArchive(t, map[string]crafted{"web:1": {"", []string{"x"}}}), webName, "[web:1] []"},
		{"an image without layers", dockerArchive(t, map[string]crafted{"web:1": {"linux/amd64", nil}}), webName, "[web:1] []"},
		{"another variant of amd64", dockerArchive(t, map[string]crafted{"web:1": {"linux/amd64/v3", []string{"x"}}}), webName, "[web:1] []"},
		{"one manifest", l.name(single, webName).entries(), webName + " " + at(single), "[web:1] []"},
		{"an index, complete", whole.name(index, webName).entries(), webName + " " + at(index), "[web:1] []"},
		{"an index without arm64", noARM.name(index, webName).entries(), webName + " " + at(index), "[web:1] []"},
		{"an index with one platform", noOther.name(index, webName).entries(), webName + " " + at(index), "[web:1] []"},
		{"an index with 386 only", only386.name(index, webName).entries(), webName + " " + at(index), "[web:1] []"},
		{"two names of one index", noOther.name(index, "example.com/a:b").entries(), webName + " " + at(index) + " example.com/a:b example.com/a@" + index.Digest.String(), "[web:1 example.com/a:b] []"},
		{"a name by digest", newLayoutOf(noOther).name(index, at(index)).entries(), at(index), "[web@" + index.Digest.String() + "] []"},
		{"Docker 25 and newer", bothEntries, webName + " " + at(single), "[web:1] [" + db.id(t) + "]"},
		{"names in manifest.json only", unlistedEntries, webName + " docker.io/library/web:2", "[web:1 web:2] []"},
		{"a descriptor without a type and a size", bare.entries(), webName + " " + at(single), "[web:1] []"},
		{"skopeo with a name", refOnly("localhost/web:1"), "localhost/web:1 localhost/web@" + single.Digest.String(), "[localhost/web:1] []"},
		{"skopeo with a tag", refOnly("latest"), "", "[] [" + web.id(t) + "]"},
		{"an entry for each platform", perPlatform.entries(), "", "[] [" + web.id(t) + "]"},
		{"a name for each platform", sameName.entries(), webName + " docker.io/library/web@" + newLayout(t).manifest(webARM).Digest.String(), "[web:1] []"},
		{"a signature and a chart", signature.entries(), webName + " " + at(single), "[web:1] []"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			data := pack(t, tt.entries...)
			archives := map[string]*Archive{
				"file": inFile(t, data), "stream": stream(data),
				"gzip": inFile(t, gzipped(t, data)), "zstd": stream(zstded(t, data)),
			}
			if strings.HasPrefix(tt.entries[0].name, "blobs/") {
				archives["folder"] = inFolder(t, tt.entries)
			}
			for kind, a := range archives {
				n := newCtrNode("n")
				a.Name = kind
				loaded, err := load(t, []*Archive{a}, n)
				if err != nil {
					t.Errorf("%s: %v", kind, err)
				}
				if got := n.names(); got != tt.names {
					t.Errorf("%s: the node has\n%s\nwant\n%s", kind, got, tt.names)
				}
				if want := kind + ": " + tt.loaded + " on [n]"; loaded != want {
					t.Errorf("got  %s\nwant %s", loaded, want)
				}
			}
		})
	}
}

func paths(layers ...string) []string {
	var list []string
	for _, layer := range layers {
		list = append(list, blobPath(digest.FromString(layer)))
	}
	return list
}

// newLayoutOf returns a layout with the blobs of another one, and no images.
func newLayoutOf(l *layout) *layout { return &layout{t: l.t, blobs: l.blobs} }

// TestLoadGivesTheID checks that each image also has its ID as a name, and that a node gets the
// manifest of its own platform, and of a file no more than that.
func TestLoadGivesTheID(t *testing.T) {
	t.Parallel()
	l := newLayout(t)
	data := l.name(l.multi(web, webARM, web386), webName).tar()
	amd64, arm64 := newCtrNode("a"), newCtrNode("b")
	arm64.platform = "linux/arm64"
	if _, err := load(t, []*Archive{inFile(t, data)}, amd64, arm64); err != nil {
		t.Fatal(err)
	}
	for n, i := range map[*ctrNode]crafted{amd64: web, arm64: webARM} {
		target := newLayout(t).manifest(i).Digest.String()
		if n.images[i.id(t)] != target || n.images[webName] != target {
			t.Errorf("%s has %v", n.name, n.images)
		}
	}
	alone := newCtrNode("c")
	if _, err := load(t, []*Archive{inFile(t, data)}, alone); err != nil {
		t.Fatal(err)
	}
	if alone.took >= amd64.took {
		t.Errorf("one node got %d bytes, two got %d: the content of arm64 was sent in vain", alone.took, amd64.took)
	}
}

// TestLoadArchivesChoosesVariants loads an image for several variants of arm.
func TestLoadArchivesChoosesVariants(t *testing.T) {
	t.Parallel()
	of := func(platform string) crafted { return crafted{platform, []string{platform}} }
	l := newLayout(t)
	data := l.name(l.multi(of("linux/arm/v6"), of("linux/arm64"), of("linux/arm/v7")), webName).tar()
	for platform, want := range map[string]string{
		"linux/arm/v8": "linux/arm/v7", "linux/arm/v7": "linux/arm/v7", "linux/arm/v6": "linux/arm/v6", "linux/arm64/v8": "linux/arm64",
	} {
		n := newCtrNode("n")
		n.platform = platform
		if _, err := load(t, []*Archive{stream(data)}, n); err != nil {
			t.Error(err)
		}
		if n.images[of(want).id(t)] == "" {
			t.Errorf("%s does not get %s", platform, want)
		}
	}
}

// TestLoadArchivesRefuses checks the errors of archives that cannot be loaded, and that no node gets
// a name.
func TestLoadArchivesRefuses(t *testing.T) {
	t.Parallel()
	arm := dockerArchive(t, map[string]crafted{"web:1": webARM, "db:2 db:3": {"linux/arm/v7", []string{"x"}}})
	l := newLayout(t)
	index := l.multi(web, webARM)
	l.name(index, webName).lose(web)
	damaged := newLayout(t)
	damaged.name(damaged.manifest(web), webName)
	damaged.blobs[blobPath(digest.FromString("web"))] = "WEB"
	large := newLayout(t)
	big := strings.Repeat("x", documentLimit+1)
	large.name(large.manifest(crafted{"linux/amd64", []string{big}}), webName)
	large.blobs[blobPath(digest.FromString(big))] = strings.Repeat("y", documentLimit+1)
	withoutLayer := newLayout(t)
	withoutLayer.name(withoutLayer.manifest(web), webName)
	delete(withoutLayer.blobs, blobPath(digest.FromString("base")))
	whole := dockerArchive(t, map[string]crafted{"web:1": web})
	data := pack(t, whole...)
	noImages := "it contains no images: it needs an index.json or a manifest.json, as docker save and docker buildx build write them"
	for _, tt := range []struct {
		name string
		data []byte
		err  string
	}{
		{"another architecture", pack(t, arm...),
			"A: db:2, db:3 are for linux/arm/v7, and node n1 is linux/amd64: build them with --platform linux/amd64\n" +
				"A: web:1 is for linux/arm64, and node n1 is linux/amd64: build it with --platform linux/amd64"},
		{"another architecture, no name", pack(t, dockerArchive(t, map[string]crafted{"": webARM})...),
			"A: the image is for linux/arm64, and node n1 is linux/amd64: build it with --platform linux/amd64"},
		{"the content of another platform", l.tar(),
			"A: web:1 is incomplete for linux/amd64, the platform of node n1: pull or build it with --platform linux/amd64 first"},
		{"a damaged file", damaged.tar(), "A: reading the archive: the file " + blobPath(digest.FromString("web")) + " is damaged: its digest is " + digest.FromString("WEB").String()},
		{"a damaged layer", large.tar(), "A: reading the archive: the file " + blobPath(digest.FromString(big)) + " is damaged: its digest is " + digest.FromString(large.blobs[blobPath(digest.FromString(big))]).String()},
		{"a missing layer", withoutLayer.tar(), "A: web:1 is incomplete for linux/amd64, the platform of node n1: pull or build it with --platform linux/amd64 first"},
		{"cut off in a file", data[:600], "A: the archive is cut off: unexpected EOF"},
		{"cut off between files", data[:len(pack(t, whole[:3]...))-1024], "A: " + noImages},
		{"a root file system", pack(t, tarEntry{name: "etc/passwd", data: "root"}), "A: " + noImages},
		{"a skopeo dir", pack(t, tarEntry{name: "manifest.json", data: "{}"}), "A: reading the archive: manifest.json: json: cannot unmarshal object into Go value of type []transfer.dockerImage"},
		{"no archive", []byte(strings.Repeat("no archive ", 100)), "A: it is no tar archive: archive/tar: invalid tar header"},
		{"gzip, with a wrong checksum", append(gzipped(t, data)[:len(gzipped(t, data))-8], "12345678"...), "A: reading the archive: gzip: invalid checksum"},
		{"xz", []byte("\xfd7zXZ\x00 and so on"), "A: reading the archive: mkube cannot read the compression of xz: unpack the archive first"},
		{"broken gzip", []byte("\x1f\x8b no gzip at all"), "A: reading the archive: gzip: invalid header"},
		{"empty", nil, "A: it is empty"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for kind, a := range map[string]*Archive{"file": inFile(t, tt.data), "stream": stream(tt.data)} {
				n1, n2 := newCtrNode("n1"), newCtrNode("n2")
				a.Name = "A"
				loaded, err := load(t, []*Archive{a}, n1, n2)
				if err == nil || err.Error() != tt.err {
					t.Errorf("%s: got\n%v\nwant\n%s", kind, err, tt.err)
				}
				if len(n1.images)+len(n2.images) > 0 || loaded != "" {
					t.Errorf("%s: the nodes have %v and %v, and %q was loaded", kind, n1.images, n2.images, loaded)
				}
			}
		})
	}
}

// TestLoadArchivesChecksAllFirst checks that no archive is loaded if one of them is wrong.
func TestLoadArchivesChecksAllFirst(t *testing.T) {
	t.Parallel()
	good := inFile(t, pack(t, dockerArchive(t, map[string]crafted{"web:1": web})...))
	bad := inFile(t, pack(t, dockerArchive(t, map[string]crafted{"db:2": webARM})...))
	empty := inFile(t, nil)
	bad.Name, empty.Name = "bad", "empty"
	n := newCtrNode("n")
	_, err := load(t, []*Archive{good, bad, empty}, n)
	want := "bad: db:2 is for linux/arm64, and node n is linux/amd64: build it with --platform linux/amd64\nempty: it is empty"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if n.took > 0 {
		t.Errorf("the node got %d bytes", n.took)
	}
}

func TestLoadArchivesOneAfterTheOther(t *testing.T) {
	t.Parallel()
	one := inFile(t, pack(t, dockerArchive(t, map[string]crafted{"web:1": web})...))
	two := stream(pack(t, dockerArchive(t, map[string]crafted{"db:2": db})...))
	n := newCtrNode("n")
	loaded, err := load(t, []*Archive{one, two}, n)
	if err != nil || loaded != "file: [web:1] [] on [n]\nstream: [db:2] [] on [n]" || n.names() != dbName+" "+webName {
		t.Errorf("loaded %q, the node has %s, %v", loaded, n.names(), err)
	}
}

// TestLoadArchivesWithoutANode loads into three nodes. One has no room for the layers, and one stops
// in the middle. Both keep the names that they had.
func TestLoadArchivesWithoutANode(t *testing.T) {
	t.Parallel()
	l := newLayout(t)
	data := l.name(l.manifest(web), webName).name(l.manifest(db), dbName).tar()
	all, full, half := newCtrNode("all"), newCtrNode("full"), newCtrNode("half")
	full.images = map[string]string{webName: "sha256:old", "sha256:oldconfig": "sha256:old"}
	full.unpackErr = exitError("warning\nctr: no space left on device")
	half.importErr, half.importLimit = exitError("ctr: it broke"), 700
	loaded, err := load(t, []*Archive{stream(data)}, all, full, half)
	want := "stream: loading into full: ctr: no space left on device\nstream: loading into half: ctr: it broke"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if want := "stream: [web:1 db:2] [] on [all]"; loaded != want {
		t.Errorf("loaded %q, want %q", loaded, want)
	}
	if !reflect.DeepEqual(full.images, map[string]string{webName: "sha256:old", "sha256:oldconfig": "sha256:old"}) {
		t.Errorf("the full node has %v after %q", full.images, full.commands)
	}
	if len(half.images)+len(half.commands) > 0 {
		t.Errorf("the other has %v after %q", half.images, half.commands)
	}
}

// TestLoadArchivesIsInterrupted ends a load while its input is open, and while a node unpacks.
func TestLoadArchivesIsInterrupted(t *testing.T) {
	t.Parallel()
	data := pack(t, dockerArchive(t, map[string]crafted{"web:1": web})...)
	t.Run("during the input", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithCancel(t.Context())
		in, to := io.Pipe()
		defer to.Close()
		go func() {
			_, _ = to.Write(data[:len(data)/2])
			cancel()
		}()
		n := newCtrNode("n")
		err := LoadArchives(ctx, []*Archive{{Name: "-", stream: in}}, []provider.Node{n.node()}, nil, nil)
		if err == nil || err.Error() != "-: context canceled" || len(n.images) > 0 {
			t.Errorf("got %v, and the node has %v", err, n.images)
		}
	})
	t.Run("during the end", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithCancel(t.Context())
		n := newCtrNode("n")
		n.unpackErr = context.Canceled
		on := func(e progress.Event) {
			if e.Detail == "unpacking" {
				cancel()
			}
		}
		err := LoadArchives(ctx, []*Archive{stream(data)}, []provider.Node{n.node()}, on, nil)
		if err == nil || !strings.Contains(err.Error(), "context canceled") || len(n.images) > 0 {
			t.Errorf("got %v, and the node has %v", err, n.images)
		}
	})
}

// TestLoadArchivesEmits checks the events of two nodes, of which one fails.
func TestLoadArchivesEmits(t *testing.T) {
	t.Parallel()
	data := pack(t, dockerArchive(t, map[string]crafted{"web:1": web})...)
	good, bad := newCtrNode("good"), newCtrNode("bad")
	bad.importErr = errNoRoom
	var r progress.Recorder
	a := inFile(t, data)
	err := LoadArchives(t.Context(), []*Archive{a}, []provider.Node{good.node(), bad.node()}, r.On, func(*Archive, Loaded) {})
	if err == nil {
		t.Fatal("no error")
	}
	got := map[string][]string{}
	for _, e := range r.Events() {
		got[e.Step] = append(got[e.Step], strings.TrimSpace(fmt.Sprintf("%s %s %s %d/%d", e.State, e.Short, e.Detail, e.Bytes, e.TotalBytes)))
	}
	size := len(data)
	if want := []string{"running file  0/0", fmt.Sprintf("running  unpacking %d/0", size), fmt.Sprintf("done   %d/0", size)}; !reflect.DeepEqual(got["good"], want) {
		t.Errorf("got %q, want %q", got["good"], want)
	}
	want := []string{"running file  0/0", "failed  loading into bad: no room 0/0"}
	if events := got["bad"]; len(events) < 2 || events[0] != want[0] || events[len(events)-1] != want[1] {
		t.Errorf("got %q, want %q", events, want)
	}
}

// TestLoadArchivesReadsToTheEnd checks that the program that writes the archive can write all of it.
func TestLoadArchivesReadsToTheEnd(t *testing.T) {
	t.Parallel()
	data := append(pack(t, dockerArchive(t, map[string]crafted{"web:1": web})...), make([]byte, 1<<20)...)
	in := bytes.NewReader(data)
	if _, err := load(t, []*Archive{{Name: "-", stream: in}}, newCtrNode("n")); err != nil || in.Len() > 0 {
		t.Errorf("%d bytes are left: %v", in.Len(), err)
	}
}

func TestOpenArchiveRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, want := range map[string]string{
		dir:                         "the folder " + dir + " is no OCI layout: it has no index.json",
		filepath.Join(dir, "x.tar"): "open " + filepath.Join(dir, "x.tar") + ": no such file or directory",
	} {
		if _, err := OpenArchive(name); err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %s", name, err, want)
		}
	}
}

func TestLoadArchivesAsksTheNodesFirst(t *testing.T) {
	t.Parallel()
	n := newCtrNode("n")
	n.platform = "-"
	if _, err := load(t, nil, n); err == nil || !strings.HasPrefix(err.Error(), "the platform of n: ") {
		t.Errorf("got %v", err)
	}
}
