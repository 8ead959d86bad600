package transfer

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// tarEntry is an entry of a crafted archive: a file, or a link.
type tarEntry struct{ name, data, link string }

// pack returns a tar archive.
func pack(t *testing.T, entries ...tarEntry) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	made := map[string]bool{".": true}
	for _, e := range entries {
		if dir := path.Dir(e.name); !made[dir] { // as docker save and containerd have them
			made[dir] = true
			if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: dir + "/", Mode: 0o755}); err != nil {
				t.Fatal(err)
			}
		}
		h := &tar.Header{Name: e.name, Mode: 0o644, Size: int64(len(e.data))}
		if e.link != "" {
			h.Typeflag, h.Linkname = tar.TypeSymlink, e.link
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(e.data)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func toJSON(t *testing.T, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// crafted is an image for one platform. Its layers are no tar archives: nothing here unpacks them.
type crafted struct {
	platform string // such as linux/arm/v7; "" for none
	layers   []string
}

func (i crafted) spec() *ocispec.Platform {
	if i.platform == "" {
		return nil
	}
	parts := append(strings.Split(i.platform, "/"), "")
	return &ocispec.Platform{OS: parts[0], Architecture: parts[1], Variant: parts[2]}
}

// config returns the configuration, whose digest is the image's ID.
func (i crafted) config(t *testing.T) string {
	config := map[string]any{"config": map[string]any{"Cmd": []string{"/web"}}, "created": "2026-01-02T03:04:05Z"}
	if p := i.spec(); p != nil {
		config["os"], config["architecture"] = p.OS, p.Architecture
		if p.Variant != "" {
			config["variant"] = p.Variant
		}
	}
	ids := []digest.Digest{}
	for _, layer := range i.layers {
		ids = append(ids, digest.FromString(layer))
	}
	config["rootfs"] = map[string]any{"type": "layers", "diff_ids": ids}
	return toJSON(t, config)
}

func (i crafted) id(t *testing.T) string { return digest.FromString(i.config(t)).String() }

// dockerArchive returns the files that docker save writes from an engine's own image store, older
// than Docker 25. Layers that are in several images are links.
func dockerArchive(t *testing.T, images map[string]crafted) []tarEntry {
	var entries []tarEntry
	var list []dockerImage
	written := map[string]string{}
	for _, names := range slices.Sorted(maps.Keys(images)) {
		image := images[names]
		d := dockerImage{Config: digest.Digest(image.id(t)).Encoded() + ".json", RepoTags: strings.Fields(names)}
		entries = append(entries, tarEntry{name: d.Config, data: image.config(t)})
		for n, layer := range image.layers {
			folder := fmt.Sprintf("%s%d", digest.FromString(names).Encoded()[:60], n)
			e := tarEntry{name: folder + "/layer.tar", data: layer}
			if first, ok := written[layer]; ok {
				e = tarEntry{name: e.name, link: "../" + first}
			} else {
				written[layer] = e.name
			}
			entries = append(entries, tarEntry{name: folder + "/VERSION", data: "1.0"}, tarEntry{name: folder + "/json", data: `{"id":"x","config":{}}`}, e)
			d.Layers = append(d.Layers, e.name)
		}
		list = append(list, d)
	}
	return append(entries, tarEntry{name: "manifest.json", data: toJSON(t, list)}, tarEntry{name: "repositories", data: "{}"})
}

// layout is an OCI layout in the making.
type layout struct {
	t     *testing.T
	blobs map[string]string
	index ocispec.Index
}

func newLayout(t *testing.T) *layout { return &layout{t: t, blobs: map[string]string{}} }

// blob adds a blob, and returns its descriptor.
func (l *layout) blob(media, data string) ocispec.Descriptor {
	d := ocispec.Descriptor{MediaType: media, Digest: digest.FromString(data), Size: int64(len(data))}
	l.blobs[blobPath(d.Digest)] = data
	return d
}

// manifest adds an image for one platform.
func (l *layout) manifest(i crafted) ocispec.Descriptor {
	m := ocispec.Manifest{MediaType: ocispec.MediaTypeImageManifest, Config: l.blob(ocispec.MediaTypeImageConfig, i.config(l.t))}
	for _, layer := range i.layers {
		m.Layers = append(m.Layers, l.blob(ocispec.MediaTypeImageLayer, layer))
	}
	return l.blob(m.MediaType, toJSON(l.t, m))
}

// multi adds an index of images, each with its platform, and an attestation without content.
func (l *layout) multi(images ...crafted) ocispec.Descriptor {
	index := ocispec.Index{MediaType: ocispec.MediaTypeImageIndex}
	for _, i := range images {
		d := l.manifest(i)
		d.Platform = i.spec()
		index.Manifests = append(index.Manifests, d)
	}
	index.Manifests = append(index.Manifests, ocispec.Descriptor{
		MediaType: ocispec.MediaTypeImageManifest, Digest: digest.FromString("attestation"), Size: 500,
		Platform:    &ocispec.Platform{OS: "unknown", Architecture: "unknown"},
		Annotations: map[string]string{"vnd.docker.reference.type": "attestation-manifest"},
	})
	return l.blob(index.MediaType, toJSON(l.t, index))
}

// lose removes the content of an image: its layers, its configuration and its manifest.
func (l *layout) lose(i crafted) {
	manifest := newLayout(l.t)
	manifest.manifest(i)
	for name := range manifest.blobs {
		delete(l.blobs, name)
	}
}

// name adds a name of an image to index.json, as containerd writes it, or no name.
func (l *layout) name(d ocispec.Descriptor, name string) *layout {
	if name != "" {
		d.Annotations = map[string]string{"io.containerd.image.name": name, "org.opencontainers.image.ref.name": name[strings.LastIndexByte(name, ':')+1:]}
	}
	l.index.Manifests = append(l.index.Manifests, d)
	return l
}

// entries returns the files of the layout, in containerd's order.
func (l *layout) entries() []tarEntry {
	var list []tarEntry
	for _, name := range slices.Sorted(maps.Keys(l.blobs)) {
		list = append(list, tarEntry{name: name, data: l.blobs[name]})
	}
	return append(list, tarEntry{name: "index.json", data: toJSON(l.t, l.index)}, tarEntry{name: "oci-layout", data: `{"imageLayoutVersion":"1.0.0"}`})
}

// tar returns the layout as an archive.
func (l *layout) tar() []byte { return pack(l.t, l.entries()...) }
