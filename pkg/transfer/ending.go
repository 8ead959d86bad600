package transfer

import (
	"archive/tar"
	"bytes"
	"encoding/json"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// ending returns the last files of an archive for a node: the manifests that the source of the
// archive lacks, and the index. They make it an OCI layout.
func ending(c *contents, chosen []selection) ([]byte, error) {
	var b bytes.Buffer
	out := tar.NewWriter(&b)
	index := ocispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex}
	for _, s := range chosen {
		d, err := s.manifest(c, out)
		if err != nil {
			return nil, err
		}
		for _, name := range append([]string{s.variant.id}, s.names...) {
			d.Annotations = map[string]string{annotationName: name}
			index.Manifests = append(index.Manifests, d)
		}
	}
	if err := addJSON(out, indexFile, index); err != nil {
		return nil, err
	}
	// ctr accepts no archive without this file. It is the last one, so that no part of an archive is
	// accepted.
	if err := addJSON(out, layoutFile, ocispec.ImageLayout{Version: ocispec.ImageLayoutVersion}); err != nil {
		return nil, err
	}
	return b.Bytes(), out.Close()
}

// manifest returns the descriptor of the manifest. If the archive has none, manifest adds one.
func (s selection) manifest(c *contents, out *tar.Writer) (ocispec.Descriptor, error) {
	if d := s.variant.manifest; d.Digest != "" {
		return ocispec.Descriptor{MediaType: d.MediaType, Digest: d.Digest, Size: d.Size}, nil
	}
	m := ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest,
		Config: c.files[s.variant.config].descriptor(ocispec.MediaTypeImageConfig),
		Layers: []ocispec.Descriptor{},
	}
	for _, name := range s.variant.layers {
		f := c.files[name]
		media := ocispec.MediaTypeImageLayer
		if f.compression != "" {
			media += "+" + f.compression
		}
		m.Layers = append(m.Layers, f.descriptor(media))
	}
	data, err := json.Marshal(m)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	d := ocispec.Descriptor{MediaType: m.MediaType, Digest: digest.FromBytes(data), Size: int64(len(data))}
	return d, addFile(out, blobPath(d.Digest), data)
}

func (f *file) descriptor(media string) ocispec.Descriptor {
	return ocispec.Descriptor{MediaType: media, Digest: f.digest, Size: f.size}
}

// namesOf returns all names that a node gets.
func namesOf(chosen []selection) []string {
	var names []string
	for _, s := range chosen {
		names = append(append(names, s.variant.id), s.names...)
	}
	return names
}

func addJSON(out *tar.Writer, name string, value any) error {
	data, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return addFile(out, name, data)
}

func addFile(out *tar.Writer, name string, data []byte) error {
	if err := out.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: int64(len(data))}); err != nil {
		return err
	}
	_, err := out.Write(data)
	return err
}
