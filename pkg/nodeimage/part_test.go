package nodeimage

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// makeTree writes a folder with a file in a folder, an executable and a symbolic link.
func makeTree(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(dir+"/sub", 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, dir+"/sub/file", "content", 0o644)
	write(t, dir+"/run", "#!/bin/sh\n", 0o755)
	if err := os.Symlink("run", dir+"/link"); err != nil {
		t.Fatal(err)
	}
	return dir
}

func digest(t *testing.T, dir string) string {
	t.Helper()
	hash := sha256.New()
	if err := hashTree(hash, dir, isNone); err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(hash.Sum(nil))
}

func TestHashTree(t *testing.T) {
	t.Parallel()
	must := func(err error) {
		if err != nil {
			t.Helper()
			t.Fatal(err)
		}
	}
	for name, test := range map[string]struct {
		change func(dir string)
		same   bool
	}{
		"nothing":             {func(string) {}, true},
		"another time":        {func(dir string) { must(os.Chtimes(dir+"/run", time.Unix(1, 0), time.Unix(1, 0))) }, true},
		"who else may read":   {func(dir string) { must(os.Chmod(dir+"/sub/file", 0o600)) }, true},
		"an empty folder":     {func(dir string) { must(os.Mkdir(dir+"/empty", 0o755)) }, true},
		"content":             {func(dir string) { write(t, dir+"/sub/file", "Content", 0o644) }, false},
		"executable":          {func(dir string) { must(os.Chmod(dir+"/sub/file", 0o755)) }, false},
		"name":                {func(dir string) { must(os.Rename(dir+"/sub/file", dir+"/sub/other")) }, false},
		"folder":              {func(dir string) { must(os.Rename(dir+"/sub", dir+"/sub2")) }, false},
		"a new empty file":    {func(dir string) { write(t, dir+"/new", "", 0o644) }, false},
		"one less":            {func(dir string) { must(os.Remove(dir + "/run")) }, false},
		"the link's target":   {func(dir string) { must(os.Remove(dir + "/link")); must(os.Symlink("sub", dir+"/link")) }, false},
		"a file for a link":   {func(dir string) { must(os.Remove(dir + "/link")); write(t, dir+"/link", "run", 0o644) }, false},
		"bytes between files": {func(dir string) { write(t, dir+"/run", "#!/bin/sh\nx", 0o755) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			before, dir := digest(t, makeTree(t)), makeTree(t)
			test.change(dir)
			if same := digest(t, dir) == before; same != test.same {
				t.Errorf("the digest is the same: %t; want %t", same, test.same)
			}
		})
	}
	if err := hashTree(sha256.New(), "no/such/folder", isNone); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("hashTree = %v", err)
	}
}

// entries returns the names in a folder.
func entries(t *testing.T, dir string) []string {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range list {
		names = append(names, e.Name())
	}
	return names
}

func TestCached(t *testing.T) {
	t.Parallel()
	b := new(builder)
	cache := filepath.Join(t.TempDir(), "part")
	dir := filepath.Join(cache, "digest")
	builds := 0
	build := func(dir string) error {
		builds++
		write(t, dir+"/binary", "x", 0o755)
		return nil
	}
	for i, want := range []string{"built", "unchanged", "unchanged"} {
		if detail, err := b.cached(dir, build); detail != want || err != nil {
			t.Errorf("time %d: cached = %q, %v; want %q", i, detail, err, want)
		}
	}
	if got := entries(t, cache); builds != 1 || !slices.Equal(got, []string{"digest"}) {
		t.Errorf("it was built %d times, and the cache holds %q", builds, got)
	}
	info, err := os.Stat(dir)
	if err != nil || info.Mode().Perm() != 0o755 {
		t.Errorf("the folder is %v, %v; want it to be for all", info.Mode(), err)
	}
}

func TestCachedIsWholeOrNotAtAll(t *testing.T) {
	t.Parallel()
	b := new(builder)
	cache := filepath.Join(t.TempDir(), "part")
	dir := filepath.Join(cache, "digest")
	broken := errors.New("broken")
	_, err := b.cached(dir, func(tmp string) error {
		write(t, tmp+"/half", "x", 0o644)
		if exists(dir) {
			t.Error("the folder is there while it is built")
		}
		return broken
	})
	if !errors.Is(err, broken) || len(entries(t, cache)) != 0 {
		t.Errorf("cached = %v, and leaves %q", err, entries(t, cache))
	}
	// If another process was faster, its result is as good.
	_, err = b.cached(dir, func(string) error {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		write(t, dir+"/theirs", "x", 0o644)
		return nil
	})
	if got := entries(t, dir); err != nil || !slices.Equal(got, []string{"theirs"}) || len(entries(t, cache)) != 1 {
		t.Errorf("cached = %v; the folder holds %q, the cache %q", err, got, entries(t, cache))
	}
}

func TestCachedPrunes(t *testing.T) {
	t.Parallel()
	b := new(builder)
	cache := t.TempDir()
	old := time.Now().Add(-keep - time.Hour)
	for name, modified := range map[string]time.Time{
		"used": time.Now().Add(-keep + time.Hour), "unused": old, ".building-1": old, ".building-2": time.Now(), "mine": old,
	} {
		path := filepath.Join(cache, name)
		if err := os.Mkdir(path, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, modified, modified); err != nil {
			t.Fatal(err)
		}
	}
	// A use renews an entry.
	if detail, err := b.cached(filepath.Join(cache, "mine"), nil); detail != "unchanged" || err != nil {
		t.Fatalf("cached = %q, %v", detail, err)
	}
	if _, err := b.cached(filepath.Join(cache, "new"), func(string) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if got, want := entries(t, cache), []string{".building-2", "mine", "new", "used"}; !slices.Equal(got, want) {
		t.Errorf("the cache holds %q; want %q", got, want)
	}
}

// TestOutput checks that the name of the folder depends on everything that the build reads.
func TestOutput(t *testing.T) {
	t.Parallel()
	b := &builder{Options: Options{Cache: "/cache"}}
	p := part{name: "part", dir: makeModules(t) + "/main", packages: []string{"tool"}}
	first, err := b.output(p)
	if err != nil {
		t.Fatal(err)
	}
	if filepath.Dir(first) != "/cache/part" || len(filepath.Base(first)) != 24 {
		t.Errorf("output = %s", first)
	}
	for name, change := range map[string]func(*part){
		"packages": func(p *part) { p.packages = []string{"."} }, "ldflags": func(p *part) { p.ldflags = "-X a=b" },
		"tags": func(p *part) { p.tags = "a" }, "files": func(p *part) {
			p.dir = makeModules(t) + "/main"
			write(t, p.dir+"/main.go", "package main\n", 0o644)
		},
		"files beside it": func(p *part) {
			p.dir = makeModules(t) + "/main"
			write(t, p.dir+"/../beside/b.go", "package beside\n", 0o644)
		},
	} {
		other := p
		change(&other)
		if second, err := b.output(other); err != nil || second == first {
			t.Errorf("other %s give the same folder, %v", name, err)
		}
	}
	// No build reads a test, so that a changed test does not cause a build of Kubernetes.
	tested := p
	tested.dir = makeModules(t) + "/main"
	write(t, tested.dir+"/main_test.go", "package main\n", 0o644)
	write(t, tested.dir+"/../beside/b_test.go", "package beside\n", 0o644)
	if second, err := b.output(tested); second != first || err != nil {
		t.Errorf("with tests the part gives %s, %v; want %s", second, err, first)
	}
	if second, err := b.output(p); second != first || err != nil {
		t.Errorf("the same part gives %s, %v; want %s", second, err, first)
	}
}

func TestReadPackages(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "packages.txt")
	write(t, file, "# a comment\n\nsystemd\n  iptables  # with a reason\n#mount\ncurl", 0o644)
	got, err := readPackages(file)
	if want := []string{"systemd", "iptables", "curl"}; !slices.Equal(got, want) || err != nil {
		t.Errorf("readPackages = %q, %v; want %q", got, err, want)
	}
	if _, err := readPackages(file + ".none"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("readPackages = %v", err)
	}
	ours, err := readPackages(source + "/packages.txt")
	if err != nil || !slices.Contains(ours, "systemd") || !slices.Contains(ours, "nftables") {
		t.Errorf("the node image's packages are %q, %v", ours, err)
	}
}
