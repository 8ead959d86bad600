package nodeimage

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// makeModules writes a module main that replaces one module with a folder, and another one with a
// released version.
func makeModules(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, folder := range []string{"main", "beside/sub"} {
		if err := os.MkdirAll(filepath.Join(dir, folder), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write(t, dir+"/main/go.mod", "module a.example/main\n\ngo 1.25.0\n\nrequire (\n\ta.example/beside v0.0.0\n\ta.example/b v1.0.0\n)\n\n"+
		"replace a.example/beside => ../beside\n\nreplace a.example/b => a.example/c v1.2.3\n", 0o644)
	write(t, dir+"/beside/go.mod", "module a.example/beside\n\ngo 1.26.0\n\nrequire a.example/new v9.9.9\n", 0o644)
	write(t, dir+"/beside/a.go", "package beside\n", 0o644)
	write(t, dir+"/beside/a_test.go", "package beside\n", 0o644)
	write(t, dir+"/beside/README.md", "read me\n", 0o644)
	write(t, dir+"/beside/sub/b.go", "package sub\n", 0o644)
	return dir
}

func TestLocals(t *testing.T) {
	t.Parallel()
	dir := makeModules(t)
	got, err := locals(dir + "/main")
	if err != nil {
		t.Fatal(err)
	}
	if want := map[string]string{"a.example/beside": filepath.Join(dir, "beside")}; !maps.Equal(got, want) {
		t.Errorf("locals = %v; want %v", got, want)
	}
	if _, err := locals(dir); err == nil {
		t.Error("a folder without go.mod is no error")
	}
}

// TestHashLocals checks that a part is built again when a local module has changed, but not when
// only tests of that module have.
func TestHashLocals(t *testing.T) {
	t.Parallel()
	digest := func(dir string) string {
		hash := sha256.New()
		if err := hashLocals(hash, dir+"/main"); err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("%x", hash.Sum(nil))
	}
	before := digest(makeModules(t))
	for file, same := range map[string]bool{"a.go": false, "sub/b.go": false, "go.mod": false, "sub/new.go": false, "a_test.go": true, "README.md": true} {
		dir := makeModules(t)
		write(t, dir+"/beside/"+file, "module a.example/beside // changed\n", 0o644)
		if got := digest(dir) == before; got != same {
			t.Errorf("when %s has changed the digest is the same: %t; want %t", file, got, same)
		}
	}
	dir := makeModules(t)
	if err := os.RemoveAll(dir + "/beside"); err != nil {
		t.Fatal(err)
	}
	if err := hashLocals(sha256.New(), dir+"/main"); err == nil {
		t.Error("a module that is not there is no error")
	}
}

func TestCopyModule(t *testing.T) {
	t.Parallel()
	dir := makeModules(t)
	mod, err := os.ReadFile(dir + "/main/go.mod")
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{"main.go": nil}
	if err := copyModule(files, "a.example/beside", dir+"/beside", mod); err != nil {
		t.Fatal(err)
	}
	want := []string{"beside/a.go", "beside/go.mod", "beside/sub/b.go", "main.go"}
	if got := slices.Sorted(maps.Keys(files)); !slices.Equal(got, want) {
		t.Errorf("the files are %q; want %q", got, want)
	}
	if got := string(files["beside/go.mod"]); got != "module a.example/beside\n\ngo 1.25.0\n" {
		t.Errorf("its go.mod is %q", got)
	}
	if err := copyModule(files, "x", dir+"/none", mod); err == nil {
		t.Error("a module that is not there is no error")
	}
	if err := copyModule(files, "x", dir+"/beside", []byte("modul")); err == nil {
		t.Error("a go.mod that is none is no error")
	}
}

// TestTheCloudControllerManagerIsBuiltIn checks that the multi-call binary builds it from its own
// module.
func TestTheCloudControllerManagerIsBuiltIn(t *testing.T) {
	t.Parallel()
	list, err := locals(filepath.Join(source, "kubernetes"))
	if err != nil {
		t.Fatal(err)
	}
	files, err := moduleFiles(list["github.com/mkube/mkube/images/cloud-controller-manager"])
	if err != nil || len(files["go.mod"]) == 0 || len(files["command.go"]) == 0 {
		t.Errorf("its folder has %d files, %v", len(files), err)
	}
}
