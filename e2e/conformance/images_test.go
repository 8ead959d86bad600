package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/modfile"
)

// TestRecipes checks that each image builds on an existing one, and has its own files or those of
// another image.
func TestRecipes(t *testing.T) {
	t.Parallel()
	for name, r := range recipes {
		if _, ok := recipes[r.from]; r.from != "" && !ok {
			t.Errorf("%s begins with %s, which nothing makes", name, r.from)
		}
		info, err := os.Stat(filepath.Join("../../images", name, "build.sh"))
		if err != nil && r.from == "" {
			t.Errorf("%s has no files: %v", name, err)
		}
		if err == nil && info.Mode()&0o111 == 0 {
			t.Errorf("%s cannot be run", info.Name())
		}
		if r.cmd == nil && r.entrypoint == nil {
			t.Errorf("%s runs nothing", name)
		}
	}
}

// TestVersions checks that the tests are of the release of the node image, and that modules in
// both have the same version. Otherwise they would be compiled twice.
func TestVersions(t *testing.T) {
	t.Parallel()
	node := versions(t, "../../node-image/kubernetes/go.mod")
	suite := versions(t, "suite/go.mod")
	for _, path := range []string{"k8s.io/kubernetes", "k8s.io/client-go"} {
		if node[path] == "" || suite[path] == "" {
			t.Errorf("%s is required as %q and %q", path, node[path], suite[path])
		}
	}
	for path, version := range suite {
		if want := node[path]; want != "" && version != want {
			t.Errorf("%s is %s; want %s, as in node-image/kubernetes", path, version, want)
		}
	}
}

func versions(t *testing.T, file string) map[string]string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	mod, err := modfile.Parse(file, data, nil)
	if err != nil {
		t.Fatal(err)
	}
	list := map[string]string{}
	for _, r := range mod.Require {
		list[r.Mod.Path] = r.Mod.Version
	}
	for _, r := range mod.Replace {
		if strings.HasPrefix(r.Old.Path, "k8s.io/") {
			list[r.Old.Path] = r.New.Version
		}
	}
	return list
}
