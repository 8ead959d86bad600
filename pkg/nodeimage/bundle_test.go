package nodeimage

import (
	"archive/tar"
	"bytes"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestBundle(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	parts := makeTree(t)
	b := &builder{Options: Options{Source: "../../node-image", Bundle: filepath.Join(dir, "new", "node.tar")}}
	layers := []layer{
		{"base", func(w io.Writer) error { _, err := w.Write([]byte("no archive: is to be left out")); return err }},
		{partsLayer, func(w io.Writer) error { return writeTar(w, func(t *tree) { t.dir(parts, partsDir+"/bin") }) }},
	}
	info := BundleInfo{Inputs: "abc", Versions: Versions{Kubernetes: "v1.37.2", Pause: "3"}}
	if err := b.writeBundle(info, layers); err != nil {
		t.Fatal(err)
	}
	if got, err := ReadBundleInfo(b.Bundle); got != info || err != nil {
		t.Errorf("ReadBundleInfo = %+v, %v; want %+v", got, err, info)
	}
	data, err := os.ReadFile(b.Bundle)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for r := tar.NewReader(bytes.NewReader(data)); ; {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Uid != 0 || h.Gid != 0 || h.Uname != "" {
			t.Errorf("%s is owned by %d:%d %s", h.Name, h.Uid, h.Gid, h.Uname)
		}
		names = append(names, h.Name)
	}
	if names[0] != BundleInfoPath {
		t.Errorf("its first entry is %s", names[0])
	}
	for _, want := range []string{
		partsDir + "/bin/run", partsDir + "/packages.txt", "usr/local/bin/mkube-vm-setup", "usr/local/bin/mkube-preloaded-images",
		"etc/systemd/system/kubelet.service", "etc/systemd/system/multi-user.target.d/mkube.conf", "etc/systemd/system/mkube.target.d/vm.conf",
	} {
		if !slices.Contains(names, want) {
			t.Errorf("it lacks %s", want)
		}
	}
	for _, name := range names {
		// With one of these files, a machine would not mount its disks, and would run nothing but
		// a node.
		if strings.Contains(name, "system-generators") || strings.HasSuffix(name, "default.target") || strings.HasSuffix(name, "mkube-node-init") {
			t.Errorf("it has %s, which is a container's", name)
		}
	}
	if left, err := os.ReadDir(filepath.Dir(b.Bundle)); len(left) != 1 || err != nil {
		t.Errorf("beside the bundle lie %v, %v", left, err)
	}
}

func TestBundleFails(t *testing.T) {
	t.Parallel()
	b := &builder{Options: Options{Source: "../../node-image", Bundle: filepath.Join(t.TempDir(), "node.tar")}}
	broken := []layer{{partsLayer, func(io.Writer) error { return os.ErrPermission }}}
	if err := b.writeBundle(BundleInfo{}, broken); err == nil || !strings.Contains(err.Error(), "writing the bundle: permission denied") {
		t.Errorf("writeBundle = %v", err)
	}
	if left, err := os.ReadDir(filepath.Dir(b.Bundle)); len(left) != 0 || err != nil {
		t.Errorf("%v is left, %v", left, err)
	}
	for _, content := range []string{"", "no archive"} {
		if err := os.WriteFile(b.Bundle, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadBundleInfo(b.Bundle); err == nil || !strings.Contains(err.Error(), "is not a bundle") {
			t.Errorf("ReadBundleInfo of %q = %v", content, err)
		}
	}
}
