package nodeimage

import (
	"archive/tar"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"time"
)

// formatVersion must change when the layout of the image changes, because it is part of the digest
// of the inputs.
const formatVersion = "7"

// layer is one layer of the image. write writes its archive, with the same content each time.
type layer struct {
	name  string
	write func(io.Writer) error
}

// The folders of the parts in the image. Everything that is large or often run is below one folder
// of one layer. A provider can then mount that folder from the layer itself, if the daemon's
// storage driver would be slow to read it (see names.LabelParts).
const (
	partsDir     = "usr/share/mkube"
	preloadedDir = partsDir + "/containerd" // containerd's root, see mkube-node-init
	binDir       = partsDir + "/bin"
	cniDir       = partsDir + "/cni"
)

// layers returns the layers of the image. The first one changes least often. extra is the folder
// that gather wrote.
func (b *builder) layers(base, preloaded, extra string, outputs map[string]string) ([]layer, error) {
	kubernetes, err := filepath.Glob(filepath.Join(preloaded, "*/snapshots/*/fs/usr/local/bin/kubernetes"))
	if err != nil {
		return nil, err
	}
	if len(kubernetes) != 1 {
		return nil, fmt.Errorf("finding the one binary in %s: there are %d", preloaded, len(kubernetes))
	}
	inImage, err := filepath.Rel(preloaded, kubernetes[0])
	if err != nil {
		return nil, err
	}
	return []layer{
		{"base", func(w io.Writer) error { return copyFile(w, base) }},
		{partsLayer, func(w io.Writer) error {
			return writeTar(w, func(t *tree) {
				t.programs(outputs["cni-plugins"], cniDir, "opt/cni/bin")
				t.programs(outputs["containerd"], binDir, "usr/local/bin", "preload")
				t.programs(outputs["runc"], binDir, "usr/local/bin")
				t.programs(outputs["crictl"], binDir, "usr/local/bin")
				t.programs(outputs["mkube-node"], binDir, "usr/local/bin")
				for _, name := range nodePrograms {
					t.link("/"+path.Join(binDir, "mkube-node"), "usr/local/bin/"+name)
				}
				t.dir(extra, partsDir)
				t.link("/"+path.Join(binDir, "containerd"), "usr/local/bin/ctr")
				t.dir(preloaded, preloadedDir)
				for _, name := range programs {
					t.link("/"+path.Join(preloadedDir, filepath.ToSlash(inImage)), "usr/local/bin/"+name)
				}
			})
		}},
		{"rootfs", func(w io.Writer) error {
			return writeTar(w, func(t *tree) { t.dir(filepath.Join(b.Source, "rootfs"), "") })
		}},
	}, nil
}

// partsLayer is the name of the layer that contains partsDir.
const partsLayer = "parts"

func copyFile(w io.Writer, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(w, f)
	return err
}

// epoch is the time of every file that mkube adds, so that the same parts give the same image.
var epoch = time.Unix(0, 0)

// tree writes folders of the host into an archive, with root as the owner. After its first error,
// it writes nothing.
type tree struct {
	w    *tar.Writer
	made map[string]bool
	err  error
}

func writeTar(w io.Writer, fill func(*tree)) error {
	t := &tree{w: tar.NewWriter(w), made: map[string]bool{}}
	fill(t)
	if t.err != nil {
		return t.err
	}
	return t.w.Close()
}

// dir adds everything in a folder, except some files and folders.
func (t *tree) dir(source, target string, except ...string) {
	if t.err != nil {
		return
	}
	t.parents(target + "/x")
	t.err = filepath.WalkDir(source, func(file string, d fs.DirEntry, err error) error {
		if err != nil || file == source {
			return err
		}
		rel, err := filepath.Rel(source, file)
		if err != nil {
			return err
		}
		if slices.Contains(except, filepath.ToSlash(rel)) {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		return t.add(file, path.Join(target, filepath.ToSlash(rel)), d)
	})
}

// file adds one file.
func (t *tree) file(source, name string) {
	if t.err != nil {
		return
	}
	t.parents(name)
	info, err := os.Lstat(source)
	if err != nil {
		t.err = err
		return
	}
	t.err = t.add(source, name, fs.FileInfoToDirEntry(info))
}

func (t *tree) add(file, name string, d fs.DirEntry) error {
	info, err := d.Info()
	if err != nil {
		return err
	}
	link := ""
	if info.Mode()&fs.ModeSymlink != 0 {
		if link, err = os.Readlink(file); err != nil {
			return err
		}
	}
	h, err := tar.FileInfoHeader(info, link)
	if err != nil {
		return err
	}
	// The image must not depend on the umask and the user of the build.
	mode := int64(0o644)
	if info.Mode().Perm()&0o100 != 0 {
		mode = 0o755
	}
	h.Name, h.Mode, h.ModTime = name, mode, epoch
	h.Uid, h.Gid, h.Uname, h.Gname = 0, 0, "", ""
	if info.IsDir() {
		if t.made[name] {
			return nil
		}
		t.made[name] = true
		h.Name += "/"
	}
	if err := t.w.WriteHeader(h); err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return nil
	}
	return copyFile(t.w, file)
}

// programs adds the files of a folder, and a link to each from the folder links.
func (t *tree) programs(source, target, links string, except ...string) {
	t.dir(source, target, except...)
	entries, err := os.ReadDir(source)
	if err != nil && t.err == nil {
		t.err = err
	}
	for _, e := range entries {
		if !slices.Contains(except, e.Name()) {
			t.link("/"+path.Join(target, e.Name()), path.Join(links, e.Name()))
		}
	}
}

func (t *tree) link(target, name string) {
	if t.err != nil {
		return
	}
	t.parents(name)
	t.err = t.w.WriteHeader(&tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: target, Mode: 0o777, ModTime: epoch})
}

// parents adds the folders above a name, each once.
func (t *tree) parents(name string) {
	var above []string
	for dir := path.Dir(name); dir != "." && dir != "/"; dir = path.Dir(dir) {
		above = append([]string{dir}, above...)
	}
	for _, dir := range above {
		if t.made[dir] || t.err != nil {
			continue
		}
		t.made[dir] = true
		t.err = t.w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: dir + "/", Mode: 0o755, ModTime: epoch})
	}
}
