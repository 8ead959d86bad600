package cli

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestReference compares docs/cli.md with the commands. The flag -update of componenttest writes
// it.
func TestReference(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if code := w.run(t, "docs markdown"); code != OK {
		t.Fatalf("exit code %d: %s", code, w.err.String())
	}
	const file = "../../docs/cli.md"
	if flag.Lookup("update").Value.String() == "true" {
		if err := os.WriteFile(file, w.out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, w.out.Bytes()) {
		t.Errorf("%s differs from the commands; make docs writes it", file)
	}
	for _, want := range []string{"\n## mkube create cluster\n", "--ignore-preflight-errors strings", "\n## mkube version\n"} {
		if !strings.Contains(string(got), want) {
			t.Errorf("%s has no %q", file, want)
		}
	}
}

// TestManPages checks that each command has a page.
func TestManPages(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	dir := t.TempDir()
	if code := w.run(t, "docs man "+dir); code != OK {
		t.Fatalf("exit code %d: %s", code, w.err.String())
	}
	page, err := os.ReadFile(filepath.Join(dir, "mkube-create-cluster.1"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(page, []byte("--control-planes")) || !bytes.Contains(page, []byte(".TH")) {
		t.Errorf("the page of create cluster is %s", page)
	}
	w = newWorld(t)
	w.want(t, w.run(t, "docs man"), Usage, "", "Error: mkube docs man needs one folder\nSee mkube docs man --help\n")
	missing := filepath.Join(dir, "missing")
	if code := w.run(t, "docs man "+missing); code != Failed || !strings.Contains(w.err.String(), "writing man pages: open "+missing) {
		t.Errorf("exit code %d: %s", code, w.err.String())
	}
}
