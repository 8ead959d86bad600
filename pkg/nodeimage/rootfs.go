package nodeimage

import (
	"archive/tar"
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// rootfs is the index of an archive with a root file system. It allows to read single files
// without unpacking the archive.
type rootfs struct {
	file    *os.File
	entries map[string]indexed // by path without the leading slash
}

type indexed struct {
	header *tar.Header
	offset int64
}

func openRootfs(archive string) (*rootfs, error) {
	f, err := os.Open(archive)
	if err != nil {
		return nil, err
	}
	r := &rootfs{file: f, entries: map[string]indexed{}}
	reader := tar.NewReader(f)
	for {
		h, err := reader.Next()
		if err == io.EOF {
			return r, nil
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("reading %s: %w", archive, err), f.Close())
		}
		// archive/tar does not buffer, so the offset of the file is the first byte of the entry.
		offset, err := f.Seek(0, io.SeekCurrent)
		if err != nil {
			return nil, errors.Join(err, f.Close())
		}
		r.entries[strings.Trim(path.Clean("/"+h.Name), "/")] = indexed{h, offset}
	}
}

func (r *rootfs) Close() error { return r.file.Close() }

// read returns the content of a regular file. It follows hard links.
func (r *rootfs) read(name string) ([]byte, error) {
	e, ok := r.entries[name]
	if ok && e.header.Typeflag == tar.TypeLink {
		return r.read(strings.Trim(path.Clean("/"+e.header.Linkname), "/"))
	}
	if !ok || e.header.Typeflag != tar.TypeReg {
		return nil, fmt.Errorf("/%s is not a file of the base", name)
	}
	data := make([]byte, e.header.Size)
	_, err := r.file.ReadAt(data, e.offset)
	return data, err
}

// extract writes a program of the base to a file of the host.
func (r *rootfs) extract(name, target string) error {
	data, err := r.read(name)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		return err
	}
	return os.WriteFile(target, data, 0o755)
}

// resolve follows the symbolic links of a path, including those of its folders. For example, /lib
// is a link to /usr/lib. It also returns the links that it followed.
func (r *rootfs) resolve(name string) (real string, links []string, err error) {
	done, rest := "", name
	for hops := 0; rest != ""; hops++ {
		if hops > 64 { // a cycle of links must end
			return "", nil, fmt.Errorf("/%s has too many symbolic links", name)
		}
		head, tail, _ := strings.Cut(rest, "/")
		here := path.Join(done, head)
		e, ok := r.entries[here]
		if !ok {
			return "", nil, fmt.Errorf("/%s: %w in the base", name, fs.ErrNotExist)
		}
		if e.header.Typeflag != tar.TypeSymlink {
			done, rest = here, tail
			continue
		}
		links = append(links, here)
		target := e.header.Linkname
		if !path.IsAbs(target) {
			target = path.Join(done, target)
		}
		done, rest = "", strings.Trim(path.Join(target, tail), "/")
	}
	return done, links, nil
}

// netfilterTools lists the programs that kube-proxy runs in its modes nftables and iptables, and
// the names of protocols. Without these names, nft prints 6 instead of tcp. kube-proxy then
// deletes the rule of a Service as a leftover.
var netfilterTools = []string{
	"usr/sbin/nft",
	"usr/sbin/iptables", "usr/sbin/iptables-save", "usr/sbin/iptables-restore",
	"usr/sbin/ip6tables", "usr/sbin/ip6tables-save", "usr/sbin/ip6tables-restore",
	"etc/protocols",
}

// tools writes the netfilter tools and every library that they load into dir. It returns them as
// the entries of a layer.
func (r *rootfs) tools(dir string) ([]entry, error) {
	want := slices.Clone(netfilterTools)
	for name := range r.entries {
		// iptables loads its matches and targets by name.
		if path.Base(path.Dir(name)) == "xtables" && strings.HasSuffix(name, ".so") {
			want = append(want, name)
		}
	}
	slices.Sort(want)
	c := &closure{rootfs: r, dir: dir, seen: map[string]bool{}}
	for _, name := range want {
		if err := c.add(name); err != nil {
			return nil, err
		}
	}
	return c.entries, nil
}

// closure collects files and all libraries that they need.
type closure struct {
	*rootfs
	dir     string
	seen    map[string]bool
	entries []entry
}

func (c *closure) add(name string) error {
	real, links, err := c.resolve(name)
	if err != nil {
		return err
	}
	for _, link := range links {
		if !c.seen[link] {
			c.seen[link] = true
			c.entries = append(c.entries, entry{Path: link, Link: c.rootfs.entries[link].header.Linkname})
		}
	}
	if c.seen[real] {
		return nil
	}
	c.seen[real] = true
	data, err := c.read(real)
	if err != nil {
		return err
	}
	source := filepath.Join(c.dir, strings.ReplaceAll(real, "/", "_"))
	if err := os.WriteFile(source, data, 0o755); err != nil {
		return err
	}
	mode := c.rootfs.entries[real].header.FileInfo().Mode().Perm()
	c.entries = append(c.entries, entry{Path: real, Mode: mode, Source: source})
	return c.addLibraries(real, data)
}

// addLibraries adds what the dynamic linker would load for a program or library.
func (c *closure) addLibraries(name string, data []byte) error {
	f, err := elf.NewFile(bytes.NewReader(data))
	if err != nil {
		return nil // a script
	}
	libraries, err := f.ImportedLibraries()
	if err != nil {
		return err
	}
	for _, library := range libraries {
		found, err := c.findLibrary(library)
		if err != nil {
			return fmt.Errorf("/%s needs %s: %w", name, library, err)
		}
		if err := c.add(found); err != nil {
			return err
		}
	}
	for _, p := range f.Progs {
		if p.Type != elf.PT_INTERP {
			continue
		}
		interpreter := make([]byte, p.Filesz)
		if _, err := p.ReadAt(interpreter, 0); err != nil {
			return err
		}
		if err := c.add(strings.Trim(string(interpreter), "/\x00")); err != nil {
			return err
		}
	}
	return nil
}

// findLibrary returns the path of a shared library in Debian's folder /usr/lib/TRIPLET.
func (c *closure) findLibrary(name string) (string, error) {
	for dir := range c.rootfs.entries {
		if path.Base(dir) == name && path.Dir(path.Dir(dir)) == "usr/lib" && strings.Contains(path.Dir(dir), "-linux-gnu") {
			return dir, nil
		}
	}
	return "", fmt.Errorf("%w in the base", fs.ErrNotExist)
}
