package transfer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// The files that describe an archive: an OCI layout has the first two, see
// https://github.com/opencontainers/image-spec/blob/main/image-layout.md, and docker save writes
// the third, see https://github.com/moby/docker-image-spec/blob/main/spec.md. Newer engines write
// all of them.
const (
	layoutFile = ocispec.ImageLayoutFile
	indexFile  = ocispec.ImageIndexFile
	dockerFile = "manifest.json"
)

// documentLimit is the maximum size in bytes of a JSON document about images. A registry need not
// accept larger manifests, see
// https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pushing-manifests.
const documentLimit = 4 << 20

// contents is what an archive contains. It holds the documents about images, and no layers.
type contents struct {
	files  map[string]*file  // by path
	links  map[string]string // the targets of links, by path
	index  *ocispec.Index
	docker []dockerImage
}

// file is a file of an archive.
type file struct {
	size int64
	// digest and compression are known after the content was read.
	digest      digest.Digest
	compression string
	document    *document // nil if the file is no document about images
}

// dockerImage is an image in the file manifest.json.
type dockerImage struct {
	Config   string
	RepoTags []string
	Layers   []string
}

// document is an index, a manifest or the configuration of an image. It has only the fields that
// mkube needs.
type document struct {
	MediaType        string               `json:"mediaType"`
	Manifests        []ocispec.Descriptor `json:"manifests"` // of an index
	Config           json.RawMessage      `json:"config"`
	Layers           []ocispec.Descriptor `json:"layers"` // of a manifest
	ocispec.Platform                      // of a configuration
	RootFS           ocispec.RootFS       `json:"rootfs"`

	// config is Config of a manifest. A configuration has another "config".
	config ocispec.Descriptor
}

func newContents() *contents {
	return &contents{files: map[string]*file{}, links: map[string]string{}}
}

// A writerFor returns the writer that gets the content of a file, or nil if nobody needs it.
type writerFor func(name string, size int64) (io.Writer, error)

// nobody is a writerFor that only reads the documents.
func nobody(string, int64) (io.Writer, error) { return nil, nil }

// take reads one entry, and copies its content to what to returns.
func (c *contents) take(e entry, to writerFor) error {
	if e.link != "" {
		c.links[e.name] = e.link
		return nil
	}
	switch e.name {
	case layoutFile:
		return nil
	case indexFile:
		return decode(e, &c.index)
	case dockerFile:
		return decode(e, &c.docker)
	}
	w, err := to(e.name, e.size)
	if err != nil {
		return err
	}
	f := &file{size: e.size}
	c.files[e.name] = f
	if e.size > documentLimit {
		if w == nil {
			return nil
		}
		err = f.copy(w, e.content)
	} else {
		err = f.read(w, e.content)
	}
	if err != nil {
		return err
	}
	if want := digestIn(e.name); want != "" && want != f.digest {
		return fmt.Errorf("the file %s is damaged: its digest is %s", e.name, f.digest)
	}
	return nil
}

// decode reads a file that describes the archive.
func decode(e entry, into any) error {
	if e.size > documentLimit {
		return fmt.Errorf("%s is too large: %d bytes", e.name, e.size)
	}
	data, err := io.ReadAll(e.content)
	if err == nil {
		err = json.Unmarshal(data, into)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", e.name, err)
	}
	return nil
}

// read reads a small file, which may be a document.
func (f *file) read(w io.Writer, content io.Reader) error {
	data, err := io.ReadAll(content)
	if err != nil {
		return err
	}
	f.digest, f.compression, f.document = digest.FromBytes(data), compression(data), parse(data)
	if w == nil {
		return nil
	}
	_, err = w.Write(data)
	return err
}

// copy copies a large file.
func (f *file) copy(w io.Writer, content io.Reader) error {
	magic := make([]byte, magicSize)
	n, err := io.ReadFull(content, magic)
	if err != nil {
		return err
	}
	digester := digest.Canonical.Digester()
	all := io.MultiReader(bytes.NewReader(magic[:n]), content)
	// A struct without other methods makes io.CopyBuffer use the buffer.
	to := struct{ io.Writer }{io.MultiWriter(digester.Hash(), w)}
	if _, err := io.CopyBuffer(to, struct{ io.Reader }{all}, make([]byte, 1<<20)); err != nil {
		return err
	}
	f.digest, f.compression = digester.Digest(), compression(magic)
	return nil
}

// parse returns the document in data, or nil if there is none.
func parse(data []byte) *document {
	d := &document{}
	if !bytes.HasPrefix(bytes.TrimLeft(data[:min(len(data), 64)], " \t\r\n"), []byte("{")) || json.Unmarshal(data, d) != nil {
		return nil
	}
	if json.Unmarshal(d.Config, &d.config) != nil || d.config.Digest.Validate() != nil {
		d.config = ocispec.Descriptor{}
	}
	d.Config = nil
	return d
}

// blobPath returns the path of a blob in an OCI layout.
func blobPath(d digest.Digest) string {
	if d.Validate() != nil {
		return ""
	}
	return path.Join(ocispec.ImageBlobsDir, d.Algorithm().String(), d.Encoded())
}

// digestIn returns the digest in the path of a blob, or "" for another path.
func digestIn(name string) digest.Digest {
	d := digest.NewDigestFromEncoded(digest.Canonical, path.Base(name))
	if blobPath(d) != name {
		return ""
	}
	return d
}

// at returns the path of the file that a path leads to, or "" if it is not there.
func (c *contents) at(name string) string {
	name = cleanName(name)
	for range 10 { // links to links; a cycle leads nowhere
		if c.files[name] != nil {
			return name
		}
		next, ok := c.links[name]
		if !ok {
			return ""
		}
		name = next
	}
	return ""
}

// errNoImages is the error of an archive that is complete, but contains no image.
var errNoImages = errors.New("it contains no images: it needs an index.json or a manifest.json, as docker save and docker buildx build write them")
