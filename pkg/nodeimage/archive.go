package nodeimage

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"github.com/mkube/mkube/pkg/names"
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
		{"base", func(w io.Writer) error { return copyBase(w, base) }},
		{partsLayer, func(w io.Writer) error {
			return writeTar(w, func(t *tree) {
				t.programs(outputs["cni-plugins"], cniDir, "opt/cni/bin")
				t.programs(outputs["containerd"], binDir, "usr/local/bin", "preload")
				t.programs(outputs["crictl"], binDir, "usr/local/bin")
				t.programs(outputs["mkube-node"], binDir, "usr/local/bin")
				for _, name := range nodePrograms {
					t.link("/"+path.Join(binDir, "mkube-node"), "usr/local/bin/"+name)
				}
				t.programs(filepath.Join(extra, "bin"), binDir, "usr/local/bin")
				t.dir(filepath.Join(extra, "data"), partsDir)
				t.link("/"+path.Join(binDir, "containerd"), "usr/local/bin/ctr")
				t.link("/"+path.Join(binDir, "runc"), runcPath)
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

// runcPath is runc in the base. In the image, it is a link to the runc of the parts.
const runcPath = "usr/sbin/runc"

// copyBase writes the archive of the base without runc, so that the image does not contain its 9
// MB twice.
func copyBase(w io.Writer, base string) error {
	f, err := os.Open(base)
	if err != nil {
		return err
	}
	defer f.Close()
	return filterTar(tar.NewReader(f), tar.NewWriter(w), func(h *tar.Header) bool { return path.Clean(h.Name) != runcPath })
}

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

// config is the configuration of an image, as docker load reads it.
type config struct {
	Architecture string    `json:"architecture"`
	OS           string    `json:"os"`
	Created      time.Time `json:"created"`
	Config       struct {
		Entrypoint []string            `json:"Entrypoint"`
		Env        []string            `json:"Env"`
		Labels     map[string]string   `json:"Labels"`
		StopSignal string              `json:"StopSignal"`
		Volumes    map[string]struct{} `json:"Volumes"`
	} `json:"config"`
	RootFS struct {
		Type    string   `json:"type"`
		DiffIDs []string `json:"diff_ids"`
	} `json:"rootfs"`
}

func imageConfig(b *builder) config {
	c := config{Architecture: runtime.GOARCH, OS: "linux"}
	c.Config.Entrypoint = []string{"/usr/local/bin/mkube-node-init"}
	c.Config.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "KUBECONFIG=/etc/kubernetes/admin.conf"}
	c.Config.StopSignal = "SIGRTMIN+3" // the signal for "halt" of systemd
	// An overlay cannot be stacked on an overlay, so the layers of containers need a volume.
	c.Config.Volumes = map[string]struct{}{"/var": {}}
	c.Config.Labels = map[string]string{
		names.LabelKubernetes:    b.versions.Kubernetes,
		names.LabelEtcd:          b.versions.Etcd,
		names.LabelCoreDNS:       b.versions.CoreDNS,
		names.LabelPause:         b.versions.Pause,
		names.LabelLocalPath:     b.versions.LocalPath,
		names.LabelMetricsServer: b.versions.MetricsServer,
	}
	c.RootFS.Type = "layers"
	return c
}

// archive writes the image as docker save would: layers, configuration, manifest.
// go-containerregistry is not used, because its tarball.Write compresses every layer, twice with the
// pass for the digest. docker load would only decompress them again.
func (b *builder) archive(w io.Writer, inputs string, layers []layer) error {
	out := tar.NewWriter(w)
	c := imageConfig(b)
	c.Created = time.Now().UTC()
	c.Config.Labels[names.LabelInputs] = inputs
	var files []string
	for _, l := range layers {
		name := l.name + ".tar"
		diff, err := addLayer(out, name, l)
		if err != nil {
			return fmt.Errorf("writing layer %s: %w", l.name, err)
		}
		if l.name == partsLayer {
			c.Config.Labels[names.LabelParts] = diff
		}
		c.RootFS.DiffIDs = append(c.RootFS.DiffIDs, diff)
		files = append(files, name)
	}
	data, err := json.Marshal(c)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(data)
	configFile := hex.EncodeToString(sum[:]) + ".json"
	if err := addFile(out, configFile, data); err != nil {
		return err
	}
	manifest, err := json.Marshal([]map[string]any{{"Config": configFile, "RepoTags": []string{b.Tag}, "Layers": files}})
	if err != nil {
		return err
	}
	if err := addFile(out, "manifest.json", manifest); err != nil {
		return err
	}
	return out.Close()
}

// addLayer writes a layer twice: first to compute its size and digest, and then into the archive.
// It returns the digest.
func addLayer(out *tar.Writer, name string, l layer) (diff string, err error) {
	hash := sha256.New()
	size := new(counter)
	if err := l.write(io.MultiWriter(hash, size)); err != nil {
		return "", err
	}
	if err := out.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(*size), ModTime: epoch}); err != nil {
		return "", err
	}
	return "sha256:" + hex.EncodeToString(hash.Sum(nil)), l.write(out)
}

func addFile(out *tar.Writer, name string, data []byte) error {
	if err := out.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(data)), ModTime: epoch}); err != nil {
		return err
	}
	_, err := out.Write(data)
	return err
}

// counter is a writer that counts bytes.
type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}
