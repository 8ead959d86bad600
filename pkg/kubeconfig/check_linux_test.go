package kubeconfig_test

import (
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/mkube/mkube/pkg/kubeconfig"
)

// TestCheckOfRoot checks files that a mount or an attribute makes read-only. The mode allows root
// to write every file, so only an attempt shows the problem.
func TestCheckOfRoot(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	path := filepath.Join(folder, "config")
	putAt(t, path, alone)
	if err := unix.Mount(folder, folder, "", unix.MS_BIND, ""); err != nil {
		t.Skipf("a read-only mount takes root: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(folder, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	if err := unix.Mount("", folder, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	for name, paths := range map[string][]string{
		"a file":    {path},
		"no file":   {filepath.Join(folder, "other")},
		"no folder": {filepath.Join(folder, "sub", "config")},
	} {
		err := kubeconfig.Check(t.Context(), paths, "a")
		if err == nil || !strings.Contains(err.Error(), "read-only file system") || !strings.Contains(err.Error(), paths[0]) {
			t.Errorf("%s: Check = %v", name, err)
		}
	}
	if got := get(t, path); got != alone {
		t.Errorf("it was changed: %s", got)
	}
}

// TestMountedFile checks a kubeconfig that is itself a mount, as in a container: it cannot be
// replaced.
func TestMountedFile(t *testing.T) {
	t.Parallel()
	outside, inside := tempFile(t, alone), tempFile(t, "")
	if err := unix.Mount(outside, inside, "", unix.MS_BIND, ""); err != nil {
		t.Skipf("a mount takes root: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(inside, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	if err := kubeconfig.Check(t.Context(), []string{inside}, "b"); err != nil {
		t.Errorf("Check = %v", err)
	}
	merge(t, entry("b"), inside)
	if got := get(t, outside); !strings.Contains(got, "name: a\n") || !strings.Contains(got, "name: b\n") {
		t.Errorf("the mounted file has\n%s", got)
	}
	wantFiles(t, filepath.Dir(inside), "config")
}
