package kubeconfig_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/mkube/mkube/pkg/kubeconfig"
)

func wantMode(t *testing.T, path string, want fs.FileMode) {
	t.Helper()
	if runtime.GOOS == "windows" {
		return // Windows has no such modes
	}
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode() != want {
		t.Errorf("%s: mode %s, want %s", path, info.Mode(), want)
	}
}

func TestMergeMakesFileAndFolders(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "home", ".kube")
	path := filepath.Join(folder, "config")
	merge(t, entry("a"), path)
	if got := get(t, path); got != alone {
		t.Errorf("got:\n%s\nwant:\n%s", got, alone)
	}
	wantMode(t, path, 0o600)
	wantMode(t, folder, fs.ModeDir|0o700)
	wantMode(t, filepath.Dir(folder), fs.ModeDir|0o700)
	wantFiles(t, folder, "config")
}

func TestMergeTightensMode(t *testing.T) {
	t.Parallel()
	path := tempFile(t, "")
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	merge(t, entry("a"), path)
	wantMode(t, path, 0o600)
}

func TestMergeWritesThroughLinks(t *testing.T) {
	t.Parallel()
	for name, content := range map[string]string{"a file": "current-context: w\n", "nothing yet": ""} {
		folder := t.TempDir()
		if err := os.MkdirAll(filepath.Join(folder, "dotfiles", "kube"), 0o700); err != nil {
			t.Fatal(err)
		}
		target := filepath.Join(folder, "dotfiles", "kube", "config")
		if content != "" {
			putAt(t, target, content)
		}
		// A link to a link. The second is relative to a folder that is itself a link.
		link, near := filepath.Join(folder, "config"), filepath.Join(folder, "dots")
		for _, l := range [][2]string{{"dotfiles", near}, {filepath.Join("dots", "link"), link}, {filepath.Join("kube", "config"), filepath.Join(near, "link")}} {
			if err := os.Symlink(l[0], l[1]); err != nil {
				t.Fatal(err)
			}
		}
		merge(t, entry("a"), link)
		wantMode(t, link, fs.ModeSymlink|0o777)
		wantMode(t, target, 0o600)
		if get(t, target) != get(t, link) {
			t.Errorf("%s: the link leads elsewhere", name)
		}
		wantFiles(t, filepath.Dir(target), "config")
		wantFiles(t, folder, "config", "dotfiles", "dots")
		remove(t, "a", link)
		wantMode(t, link, fs.ModeSymlink|0o777)
	}
}

func TestMergeFollowsNoCircle(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "config")
	if err := os.Symlink("config", path); err != nil {
		t.Fatal(err)
	}
	if _, err := kubeconfig.Merge(t.Context(), []string{path}, entry("a"), true); err == nil {
		t.Error("no error")
	}
	wantFiles(t, filepath.Dir(path), "config")
}

// TestNoRegularFile checks KUBECONFIG=/dev/null, which root could replace by a file.
func TestNoRegularFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "config")
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{path, os.DevNull} {
		remove(t, "a", path)
	}
	_, err := kubeconfig.Merge(t.Context(), []string{path}, entry("a"), true)
	wantError(t, err, "writing kubeconfig "+path+": it is not a regular file: choose another with --kubeconfig or $KUBECONFIG")
	wantFiles(t, filepath.Dir(path), "config")
}

func TestMergeRespectsReadOnly(t *testing.T) {
	t.Parallel()
	if os.Geteuid() == 0 {
		t.Skip("root may write to all files")
	}
	path := tempFile(t, alone)
	if err := os.Chmod(path, 0o400); err != nil {
		t.Fatal(err)
	}
	if _, err := kubeconfig.Merge(t.Context(), []string{path}, entry("b"), true); err == nil {
		t.Error("no error")
	}
	if got := get(t, path); got != alone {
		t.Errorf("the file was changed:\n%s", got)
	}
	wantFiles(t, filepath.Dir(path), "config")
}
