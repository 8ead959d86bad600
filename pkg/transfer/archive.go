package transfer

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/bzip2"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"

	"github.com/klauspost/compress/zstd"

	"github.com/mkube/mkube/pkg/progress"
)

// An Archive contains images: a tar file, a stream of one, or the folder of an OCI layout. It is
// not safe for concurrent use.
type Archive struct {
	// Name is the name of the archive in messages.
	Name string
	// size is the number of bytes, or 0 if it is not known.
	size int64
	// stream can be read only once. file and folder can be read again. One of them is set.
	stream io.Reader
	file   *io.SectionReader
	folder fs.FS
	closer io.Closer
}

// OpenArchive opens a file or a folder. The caller must close it.
func OpenArchive(file string) (*Archive, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if !info.IsDir() {
		a, err := NewArchive(file, f)
		if err != nil {
			return nil, errors.Join(err, f.Close())
		}
		a.closer = f
		return a, nil
	}
	folder := os.DirFS(file)
	if _, err := fs.Stat(folder, indexFile); err != nil {
		return nil, errors.Join(fmt.Errorf("the folder %s is no OCI layout: it has no %s", file, indexFile), f.Close())
	}
	return &Archive{Name: file, folder: folder, closer: f}, nil
}

// NewArchive returns the archive that r contains. It may be compressed by gzip, zstd or bzip2. If r
// is an uncompressed regular file, its images are known before they are sent.
func NewArchive(name string, r io.Reader) (*Archive, error) {
	a := &Archive{Name: name, stream: r}
	f, ok := r.(*os.File)
	if !ok {
		return a, nil
	}
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return a, err
	}
	start, err := f.Seek(0, io.SeekCurrent) // standard input may have been read by another program
	if err != nil {
		return nil, err
	}
	a.size = info.Size() - start
	section := io.NewSectionReader(f, start, a.size)
	magic := make([]byte, magicSize)
	n, err := section.ReadAt(magic, 0)
	if err != nil && err != io.EOF {
		return nil, err
	}
	if compression(magic[:n]) == "" {
		a.file, a.stream = section, nil
	}
	return a, nil
}

// Close closes a file or folder that OpenArchive has opened.
func (a *Archive) Close() error {
	if a.closer == nil {
		return nil
	}
	return a.closer.Close()
}

// again reports whether the archive can be read several times.
func (a *Archive) again() bool { return a.stream == nil }

// An entry is one file of an archive.
type entry struct {
	// name is a clean path without a leading slash.
	name string
	// link is the path of the file with the content, if the entry is a link.
	link string
	size int64
	// content must be read before the next entry.
	content io.Reader
}

// each calls visit for each file and link, in the order of the archive. The meter counts the bytes
// that were read or skipped. If visit fails, each returns its error.
func (a *Archive) each(meter *progress.Meter, visit func(entry) error) error {
	switch {
	case a.folder != nil:
		return eachInFolder(a.folder, meter, visit)
	case a.file != nil:
		return eachInTar(&skipper{io.NewSectionReader(a.file, 0, a.size), meter}, visit)
	}
	plain, done, err := unpacked(meter.Reader(a.stream))
	if err != nil {
		return err
	}
	defer done()
	if err := eachInTar(plain, visit); err != nil {
		return err
	}
	// Some programs fill up an archive with zeros. They would fail if nobody reads them. A
	// compression has its checksum at the end.
	_, err = io.Copy(io.Discard, plain)
	return err
}

func eachInTar(r io.Reader, visit func(entry) error) error {
	for archive := tar.NewReader(r); ; {
		header, err := archive.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		e := entry{name: cleanName(header.Name), size: header.Size, content: archive}
		switch header.Typeflag {
		case tar.TypeReg:
		case tar.TypeSymlink:
			e.link = cleanName(path.Join(path.Dir(header.Name), header.Linkname))
		case tar.TypeLink:
			e.link = cleanName(header.Linkname)
		default:
			continue
		}
		if err := visit(e); err != nil {
			return err
		}
	}
}

// cleanName returns a path in an archive without "./" and the like.
func cleanName(name string) string { return path.Clean("/" + name)[1:] }

func eachInFolder(folder fs.FS, meter *progress.Meter, visit func(entry) error) error {
	return fs.WalkDir(folder, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := fs.Stat(folder, name) // of the file behind a link
		if err != nil || !info.Mode().IsRegular() {
			return err
		}
		f, err := folder.Open(name)
		if err != nil {
			return err
		}
		defer f.Close()
		return visit(entry{name: name, size: info.Size(), content: meter.Reader(f)})
	})
}

// magicSize is the length of the longest magic number of a compression.
const magicSize = 6

// compression returns the name of the program that compressed data with these first bytes, or "".
func compression(magic []byte) string {
	for name, prefix := range map[string]string{
		"gzip": "\x1f\x8b", "zstd": "\x28\xb5\x2f\xfd", "bzip2": "BZh", "xz": "\xfd7zXZ\x00",
	} {
		if bytes.HasPrefix(magic, []byte(prefix)) {
			return name
		}
	}
	return ""
}

// unpacked returns the uncompressed content of r. done releases what it needs.
func unpacked(r io.Reader) (plain io.Reader, done func(), err error) {
	buffered := bufio.NewReaderSize(r, 64<<10)
	// Peek fails if the archive is shorter: then it has no magic number.
	magic, _ := buffered.Peek(magicSize)
	done = func() {}
	switch name := compression(magic); name {
	case "":
		return buffered, done, nil
	case "gzip":
		plain, err = gzip.NewReader(buffered)
		return plain, done, err
	case "bzip2":
		return bzip2.NewReader(buffered), done, nil
	case "zstd":
		z, err := zstd.NewReader(buffered)
		if err != nil {
			return nil, done, err
		}
		return z, z.Close, nil
	default:
		return nil, done, fmt.Errorf("mkube cannot read the compression of %s: unpack the archive first", name)
	}
}

// A skipper reads a file and counts its bytes. The tar package skips what is not needed with Seek.
type skipper struct {
	*io.SectionReader
	meter *progress.Meter
}

func (s *skipper) Read(p []byte) (int, error) {
	n, err := s.SectionReader.Read(p)
	s.meter.Add(int64(n))
	return n, err
}

// Seek also counts the bytes that it skips, because they need not be copied any more.
func (s *skipper) Seek(offset int64, whence int) (int64, error) {
	before, err := s.SectionReader.Seek(0, io.SeekCurrent)
	if err != nil {
		return 0, err
	}
	after, err := s.SectionReader.Seek(offset, whence)
	s.meter.Add(max(0, after-before))
	return after, err
}
