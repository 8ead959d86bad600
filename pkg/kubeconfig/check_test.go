package kubeconfig_test

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mkube/mkube/pkg/kubeconfig"
)

// contents returns all paths below a folder, with the contents of files.
func contents(t *testing.T, folder string) string {
	t.Helper()
	var all strings.Builder
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		data := ""
		if d.Type().IsRegular() {
			data = get(t, path)
		}
		fmt.Fprintf(&all, "%s %s %q\n", path, d.Type(), data)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all.String()
}

// TestCheck checks that Check finds the problems that Merge would have, and leaves nothing.
func TestCheck(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		make func(t *testing.T, folder string)
		// list has paths in the folder. want is in the error, "" for no error.
		list, want string
	}{
		"a file":                {func(t *testing.T, d string) { putAt(t, d+"/config", alone) }, "config", ""},
		"nothing":               {func(*testing.T, string) {}, "config", ""},
		"no folder":             {func(*testing.T, string) {}, "no/such/folder/config", ""},
		"a link to nothing yet": {func(t *testing.T, d string) { link(t, "sub/config", d+"/config") }, "config", ""},
		"a list":                {func(t *testing.T, d string) { putAt(t, d+"/b", alone) }, "a:b:c", ""},
		"broken YAML":           {func(t *testing.T, d string) { putAt(t, d+"/config", "clusters: {a: [\n") }, "config", "reading kubeconfig DIR/config: line 1: "},
		"broken in a list":      {func(t *testing.T, d string) { putAt(t, d+"/a", alone); putAt(t, d+"/b", "[") }, "a:b", "reading kubeconfig DIR/b: "},
		"a folder in its place": {func(t *testing.T, d string) { mkdir(t, d+"/config") }, "config", "kubeconfig DIR/config cannot be written: it is not a regular file"},
		"a file above it":       {func(t *testing.T, d string) { putAt(t, d+"/file", "") }, "file/config", "reading kubeconfig DIR/file/config: "},
		"a circle":              {func(t *testing.T, d string) { link(t, "config", d+"/config") }, "config", "reading kubeconfig DIR/config: "},
		"a folder that is a link to nothing": {func(t *testing.T, d string) { link(t, "nowhere", d+"/kube") }, "kube/config",
			"kubeconfig DIR/kube/config cannot be written: DIR/kube is a symbolic link to a folder that does not exist (choose another file with --kubeconfig or $KUBECONFIG)"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			folder := t.TempDir()
			test.make(t, folder)
			var paths []string
			for _, p := range strings.Split(test.list, ":") {
				paths = append(paths, filepath.Join(folder, p))
			}
			before := contents(t, folder)
			err := kubeconfig.Check(t.Context(), paths, "a")
			got := strings.ReplaceAll(fmt.Sprint(err), folder, "DIR")
			if test.want == "" && err != nil || !strings.Contains(got, test.want) {
				t.Errorf("Check = %s; want %q", got, test.want)
			}
			if after := contents(t, folder); after != before {
				t.Errorf("Check left\n%swhere there was\n%s", after, before)
			}
			if _, mergeErr := kubeconfig.Merge(t.Context(), paths, entry("a"), true); (mergeErr == nil) != (err == nil) {
				t.Errorf("Check = %v, and then Merge = %v", err, mergeErr)
			}
		})
	}
}

func link(t *testing.T, target, path string) {
	t.Helper()
	if err := os.Symlink(target, path); err != nil {
		t.Fatal(err)
	}
}

func mkdir(t *testing.T, path string) {
	t.Helper()
	if err := os.Mkdir(path, 0o755); err != nil {
		t.Fatal(err)
	}
}

// TestCheckLocked checks that Check waits for a lock as Merge does, but not for that of a file that
// Merge would not write.
func TestCheckLocked(t *testing.T) {
	t.Parallel()
	path := tempFile(t, alone)
	putAt(t, path+".lock", "")
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		err := kubeconfig.Check(t.Context(), []string{path}, "b")
		if err == nil || !strings.Contains(err.Error(), path+".lock was created by another program") || time.Since(start) != 5*time.Second {
			t.Errorf("Check = %v after %s", err, time.Since(start))
		}
	})
	wantFiles(t, filepath.Dir(path), "config", "config.lock")
	if err := kubeconfig.Check(t.Context(), []string{tempFile(t, alone), path}, "b"); err != nil {
		t.Errorf("Check of a list whose second file is locked = %v", err)
	}
}

// TestCheckFreed checks that a lock that is released in time is not a problem.
func TestCheckFreed(t *testing.T) {
	t.Parallel()
	path := tempFile(t, alone)
	putAt(t, path+".lock", "")
	synctest.Test(t, func(t *testing.T) {
		time.AfterFunc(3*time.Second, func() { os.Remove(path + ".lock") })
		if err := kubeconfig.Check(t.Context(), []string{path}, "b"); err != nil {
			t.Error(err)
		}
	})
	wantFiles(t, filepath.Dir(path), "config")
}

func TestCheckEndsWithContext(t *testing.T) {
	t.Parallel()
	path := tempFile(t, alone)
	putAt(t, path+".lock", "")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := kubeconfig.Check(ctx, []string{path}, "b"); err == nil {
		t.Error("no error")
	}
}
