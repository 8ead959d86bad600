package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"runtime"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/core/images"
	"github.com/containerd/errdefs"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/identity"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Image is an image to preload. Images with equal first layers share these layers.
type Image struct {
	// Name is the full reference, as in registry.k8s.io/pause:VERSION.
	Name       string   `json:"name"`
	Layers     []Layer  `json:"layers"`
	Entrypoint []string `json:"entrypoint,omitempty"`
	Env        []string `json:"env,omitempty"`
	User       string   `json:"user,omitempty"`
}

// imageLabels mark an image as managed by the CRI plugin, and exclude it from the garbage collection
// of the kubelet.
var imageLabels = map[string]string{
	"io.cri-containerd.image":  "managed",
	"io.cri-containerd.pinned": "pinned",
}

func (s *store) add(ctx context.Context, image Image) error {
	var diffs []digest.Digest
	var layers []ocispec.Descriptor
	for _, layer := range image.Layers {
		diff, size, err := s.unpack(ctx, diffs, layer)
		if err != nil {
			return err
		}
		diffs = append(diffs, diff)
		layers = append(layers, ocispec.Descriptor{MediaType: ocispec.MediaTypeImageLayer, Digest: diff, Size: size})
	}
	config, err := s.write(ctx, ocispec.MediaTypeImageConfig, imageConfig(image, diffs), map[string]string{
		"containerd.io/gc.ref.snapshot." + snapshotter: identity.ChainID(diffs).String(),
	})
	if err != nil {
		return err
	}
	manifest := ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2},
		MediaType: ocispec.MediaTypeImageManifest,
		Config:    config,
		Layers:    layers,
	}
	target, err := s.write(ctx, ocispec.MediaTypeImageManifest, manifest, map[string]string{
		"containerd.io/gc.ref.content.config": config.Digest.String(),
	})
	if err != nil {
		return err
	}
	// The CRI plugin finds an image by its reference and by the digest of its configuration.
	for _, name := range []string{image.Name, config.Digest.String()} {
		_, err := s.images.Create(ctx, images.Image{Name: name, Labels: imageLabels, Target: target})
		if err != nil && !errdefs.IsAlreadyExists(err) {
			return err
		}
	}
	return nil
}

func imageConfig(image Image, diffs []digest.Digest) ocispec.Image {
	return ocispec.Image{
		Platform: ocispec.Platform{Architecture: runtime.GOARCH, OS: "linux"},
		Config:   ocispec.ImageConfig{Entrypoint: image.Entrypoint, Env: image.Env, User: image.User},
		RootFS:   ocispec.RootFS{Type: "layers", DiffIDs: diffs},
	}
}

// write stores a value as a JSON blob. For containerd's garbage collector, the labels name what the
// blob refers to.
func (s *store) write(ctx context.Context, mediaType string, value any, labels map[string]string) (ocispec.Descriptor, error) {
	data, err := json.Marshal(value)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	desc := ocispec.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(data), Size: int64(len(data))}
	err = content.WriteBlob(ctx, s.content, desc.Digest.String(), bytes.NewReader(data), desc, content.WithLabels(labels))
	if err != nil {
		return ocispec.Descriptor{}, fmt.Errorf("writing %s: %w", mediaType, err)
	}
	return desc, nil
}
