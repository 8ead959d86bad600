package kubeconfig_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/client-go/tools/clientcmd"

	"github.com/mkube/mkube/pkg/kubeconfig"
)

func TestStaleLockIsNamed(t *testing.T) {
	t.Parallel()
	path := tempFile(t, alone)
	putAt(t, path+".lock", "")
	want := "locking a kubeconfig: " + path + ".lock was created by another program, such as kubectl, 3m10s ago: gave up after 5s; if that process does not run any more, remove the file"
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		made := func() {
			at := time.Now().Add(-3*time.Minute - 5*time.Second) // 3m10s when Merge gives up, after 5 s
			if err := os.Chtimes(path+".lock", at, at); err != nil {
				t.Error(err)
			}
		}
		made()
		_, err := kubeconfig.Merge(t.Context(), []string{path}, entry("b"), true)
		wantError(t, err, want)
		made()
		wantError(t, kubeconfig.Remove(t.Context(), []string{path}, "a"), want)
		if took := time.Since(start); took != 10*time.Second {
			t.Errorf("gave up twice after %s, want 10s", took)
		}
	})
	if got := get(t, path); got != alone {
		t.Errorf("the file was changed:\n%s", got)
	}
	wantFiles(t, filepath.Dir(path), "config", "config.lock")
}

func TestLockIsWaitedFor(t *testing.T) {
	t.Parallel()
	path := tempFile(t, alone)
	putAt(t, path+".lock", "")
	synctest.Test(t, func(t *testing.T) {
		go func() {
			time.Sleep(3 * time.Second) // in the time of the bubble
			if err := os.Remove(path + ".lock"); err != nil {
				t.Error(err)
			}
		}()
		remove(t, "a", path)
	})
	if got := get(t, path); got != emptied {
		t.Errorf("got:\n%s", got)
	}
}

func TestLockEndsWithContext(t *testing.T) {
	t.Parallel()
	path := tempFile(t, alone)
	putAt(t, path+".lock", "")
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			time.Sleep(time.Second)
			cancel()
		}()
		_, err := kubeconfig.Merge(ctx, []string{path}, entry("b"), true)
		wantError(t, err, "locking a kubeconfig: "+path+".lock was created by another program, such as kubectl, 0s ago: context canceled; if that process does not run any more, remove the file")
		_, err = kubeconfig.Merge(ctx, []string{path}, entry("b"), true)
		wantError(t, err, `merging kubeconfig entry "b": context canceled`)
	})
}

// TestLocksAreGivenBack checks that the first of two locks is released if another process holds the
// second.
func TestLocksAreGivenBack(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	one, two := filepath.Join(folder, "1"), filepath.Join(folder, "2")
	putAt(t, one, "contexts:\n- name: a\n")
	putAt(t, two, "users:\n- name: a\n")
	putAt(t, two+".lock", "")
	synctest.Test(t, func(t *testing.T) {
		if _, err := kubeconfig.Merge(t.Context(), []string{one, two}, entry("a"), true); err == nil {
			t.Error("no error")
		}
	})
	wantFiles(t, folder, "1", "2", "2.lock")
}

func TestMergeFromManyGoroutines(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), ".kube", "config")
	const many = 20
	var wg sync.WaitGroup
	for i := range many {
		wg.Go(func() {
			if _, err := kubeconfig.Merge(t.Context(), []string{path}, entry(fmt.Sprint("mkube-", i)), true); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	config, err := clientcmd.LoadFromFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range many {
		wantEntry(t, config, fmt.Sprint("mkube-", i))
	}
	wantFiles(t, filepath.Dir(path), "config")
}
