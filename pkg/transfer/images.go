package transfer

import (
	"cmp"
	"errors"
	"slices"
	"strings"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Annotations of descriptors. The first two name an image, with a whole name and usually with a tag
// only. The others mark what belongs to an image, but is none: an attestation, see
// https://github.com/moby/buildkit/blob/master/docs/attestations/attestation-storage.md, and what
// refers to an image, such as a signature.
const (
	annotationName        = "io.containerd.image.name"
	annotationRefName     = ocispec.AnnotationRefName
	annotationAttestation = "vnd.docker.reference.type"
	annotationReferrer    = "io.containerd.manifest.subject"
)

// image is one image of an archive. It has a variant for each platform.
type image struct {
	// name is the canonical name, or "" if the image has none.
	name string
	// given lists the names that the nodes get, if they are not those in the archive.
	given []string
	// digest identifies the image in an engine with containerd's image store, and in a registry. It
	// is "" if the archive contains only the parts of a manifest.
	digest   digest.Digest
	variants []variant
}

// variant is an image for one platform.
type variant struct {
	// platform is nil if it is not known.
	platform *ocispec.Platform
	// manifest is the descriptor of the manifest. It is empty if the archive has none.
	manifest ocispec.Descriptor
	// config and layers are the paths of the image's files. A path is "" if the file is missing.
	config string
	layers []string
	// id is the digest of the configuration, which is the image's ID on a node. It is "" if the
	// configuration is missing.
	id string
	// complete reports whether the archive has all files.
	complete bool
}

// files returns the paths of all files of a variant.
func (v *variant) files() []string {
	list := append([]string{v.config}, v.layers...)
	if v.manifest.Digest != "" {
		list = append(list, blobPath(v.manifest.Digest))
	}
	return list
}

// images returns the images of an archive.
func (c *contents) images() ([]*image, error) {
	if len(c.files) == 0 && c.index == nil && c.docker == nil {
		return nil, errors.New("it is empty")
	}
	var list []*image
	if c.index != nil {
		for _, d := range c.index.Manifests {
			list = c.addIndexed(list, d)
		}
	}
	for _, d := range c.docker {
		list = c.addDocker(list, d)
	}
	if len(list) == 0 {
		return nil, errNoImages
	}
	return list, nil
}

// addIndexed adds an entry of the file index.json. Entries of the same name are the same image for
// several platforms.
func (c *contents) addIndexed(list []*image, d ocispec.Descriptor) []*image {
	variants, isImage := c.variants(d, false, 0)
	if !isImage {
		return list
	}
	name := nameIn(d.Annotations)
	same := func(i *image) bool { return i.name == name }
	if i := slices.IndexFunc(list, same); i >= 0 && name != "" {
		list[i].variants = append(list[i].variants, variants...)
		return list
	}
	return append(list, &image{name: name, digest: d.Digest, variants: variants})
}

// addDocker adds an entry of the file manifest.json, unless index.json has the image. There, Docker
// 25 and newer lists no image without a name if another image has one.
func (c *contents) addDocker(list []*image, d dockerImage) []*image {
	v := variant{config: c.at(d.Config)}
	for _, layer := range d.Layers {
		v.layers = append(v.layers, c.at(layer))
	}
	if config := c.configAt(v.config); config != nil {
		v.platform, v.id = config.platform(), c.files[v.config].digest.String()
		v.complete = len(config.RootFS.DiffIDs) == len(v.layers) && !slices.Contains(v.layers, "")
	}
	names := canonicalNames(d.RepoTags)
	known := slices.IndexFunc(list, func(i *image) bool {
		return slices.ContainsFunc(i.variants, func(other variant) bool { return other.config != "" && other.config == v.config })
	})
	switch {
	case known >= 0 && (list[known].name != "" || len(names) == 0):
		return list
	case known >= 0: // only manifest.json has the names
		v = list[known].variants[0]
		list = slices.Delete(list, known, known+1)
	case len(names) == 0:
		names = []string{""}
	}
	for _, name := range names {
		list = append(list, &image{name: name, variants: []variant{v}})
	}
	return list
}

// indexDepth is the maximum depth of indexes in indexes.
const indexDepth = 4

// variants returns the variants of the image that a descriptor describes. isImage is false if it
// describes something else, such as an attestation. If an index contains the descriptor, its
// platform takes precedence over that of the configuration, as it does for an image that is pulled.
func (c *contents) variants(d ocispec.Descriptor, indexed bool, depth int) (list []variant, isImage bool) {
	if isNoImage(d) || depth > indexDepth {
		return nil, false
	}
	f := c.files[blobPath(d.Digest)]
	if f == nil || f.document == nil {
		return []variant{{platform: d.Platform, manifest: d}}, true
	}
	if f.document.config.Digest == "" {
		for _, child := range f.document.Manifests {
			variants, ok := c.variants(child, true, depth+1)
			list, isImage = append(list, variants...), isImage || ok
		}
		return list, isImage
	}
	d.MediaType, d.Size = cmp.Or(d.MediaType, f.document.MediaType, ocispec.MediaTypeImageManifest), f.size
	v := variant{platform: d.Platform, manifest: d, config: c.at(blobPath(f.document.config.Digest))}
	unpacked := 0
	for _, layer := range f.document.Layers {
		v.layers = append(v.layers, c.at(blobPath(layer.Digest)))
		if isLayer(layer.MediaType) {
			unpacked++
		}
	}
	config := c.configAt(v.config)
	if config == nil {
		return []variant{v}, true
	}
	if len(config.RootFS.DiffIDs) != unpacked || unpacked == 0 && len(v.layers) > 0 {
		return nil, false // such as a Helm chart or a signature
	}
	v.id, v.complete = c.files[v.config].digest.String(), !slices.Contains(v.layers, "")
	if platform := config.platform(); platform != nil && (!indexed || v.platform == nil) {
		v.platform = platform
	}
	return []variant{v}, true
}

// isLayer reports whether a media type is that of a layer, which is unpacked.
func isLayer(media string) bool {
	return strings.HasPrefix(media, "application/vnd.oci.image.layer.") || strings.HasPrefix(media, "application/vnd.docker.image.rootfs.")
}

func isNoImage(d ocispec.Descriptor) bool {
	return d.Annotations[annotationAttestation] != "" || d.Annotations[annotationReferrer] != "" ||
		d.Platform != nil && d.Platform.Architecture == "unknown"
}

// configAt returns the configuration at a path, or nil if it is missing.
func (c *contents) configAt(name string) *document {
	if f := c.files[name]; f != nil {
		return f.document
	}
	return nil
}

// platform returns the platform in a configuration, or nil if it has none.
func (d *document) platform() *ocispec.Platform {
	if d.Architecture == "" {
		return nil
	}
	p := d.Platform
	p.OS = cmp.Or(p.OS, "linux")
	return &p
}

// nameIn returns the canonical name in annotations, or "" if they contain none. A tag alone is no
// name.
func nameIn(annotations map[string]string) string {
	name := annotations[annotationName]
	if ref := annotations[annotationRefName]; name == "" && strings.ContainsAny(ref, "/:@") {
		name = ref
	}
	if names := canonicalNames([]string{name}); len(names) > 0 {
		return names[0]
	}
	return ""
}

// canonicalNames returns the names in the form in which containerd stores them. It omits duplicates,
// and what is no name of an image.
func canonicalNames(names []string) []string {
	var list []string
	for _, name := range names {
		ref, err := reference.ParseDockerRef(name)
		if err == nil && !slices.Contains(list, ref.String()) {
			list = append(list, ref.String())
		}
	}
	return list
}

// repository returns the part of a canonical name before the tag or the digest.
func repository(name string) string {
	ref, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return name
	}
	return ref.Name()
}

// familiar returns a canonical name in the form in which users write it.
func familiar(name string) string {
	ref, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return name
	}
	return reference.FamiliarString(ref)
}
