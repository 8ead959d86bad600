package nodeimage

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestBuildModule builds the tool of a module and the tests of one of its packages, once.
func TestBuildModule(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "suite")
	for name, data := range map[string]string{
		"go.mod":                "module example.com/suite\n\ngo 1.26.0\n\ntool example.com/suite/runner\n",
		"runner/main.go":        "package main\n\nfunc main() {}\n",
		"checks/checks.go":      "package checks\n",
		"checks/checks_test.go": "package checks\n\nimport \"testing\"\n\nfunc TestNothing(*testing.T) {}\n",
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, name), data, 0o644)
	}
	cache := t.TempDir()
	m := Module{Dir: dir, Kubernetes: "v1.37.2", Tests: []string{"example.com/suite/checks"}}
	built, err := BuildModule(t.Context(), m, cache, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := entries(t, built); !slices.Equal(got, []string{"checks.test", "runner"}) || filepath.Dir(built) != filepath.Join(cache, "suite") {
		t.Errorf("%s holds %q", built, got)
	}
	if err := os.Remove(filepath.Join(built, "runner")); err != nil {
		t.Fatal(err)
	}
	if again, err := BuildModule(t.Context(), m, cache, nil); again != built || err != nil || len(entries(t, built)) != 1 {
		t.Errorf("BuildModule = %s, %v: it was built again", again, err)
	}
	m.Tests = []string{"example.com/suite/none"}
	if _, err := BuildModule(t.Context(), m, cache, nil); err == nil || !strings.Contains(err.Error(), "running go test in "+dir) {
		t.Errorf("BuildModule = %v", err)
	}
}

// TestBuildModuleWithTags builds a program that reports no release, from a file that a build tag
// includes.
func TestBuildModuleWithTags(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "tagged")
	for name, data := range map[string]string{
		"go.mod":         "module example.com/tagged\n\ngo 1.26.0\n\ntool example.com/tagged/runner\n",
		"runner/main.go": "//go:build one && two\n\npackage main\n\nfunc main() {}\n",
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, name), data, 0o644)
	}
	cache := t.TempDir()
	if _, err := BuildModule(t.Context(), Module{Dir: dir, Tags: "one"}, cache, nil); err == nil {
		t.Error("a program without a file was built")
	}
	built, err := BuildModule(t.Context(), Module{Dir: dir, Tags: "one,two"}, cache, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := entries(t, built); !slices.Equal(got, []string{"runner"}) {
		t.Errorf("%s holds %q", built, got)
	}
}
