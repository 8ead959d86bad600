package componenttest

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mkube/mkube/pkg/component"
	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/provider"
)

var update = flag.Bool("update", false, "write the golden files again")

// A Variant is a configuration that changes the files of a component.
type Variant struct {
	// Name is the name of the golden file, without .golden.
	Name string
	// Config is the configuration. Golden sets its defaults.
	Config config.Cluster
	// Node is the index in Config of the node whose files are compared.
	Node int
}

// Golden compares the files of a component with golden files in its folder. For a default cluster,
// that is testdata/default.golden. For each variant, it is testdata/NAME.golden, with only the
// differences: removed and added lines, and whole new files. With the flag -update of the test, it
// writes the golden files instead. It shows certificates as their description, and no keys.
func Golden(t *testing.T, c component.Component, variants ...Variant) {
	t.Helper()
	dir := filepath.Join(folder(t, c), "testdata")
	base := Sections(t, files(t, c, config.Cluster{}, 0))
	compare(t, dir, "default", base)
	for _, v := range variants {
		changed := changes(base, Sections(t, files(t, c, v.Config, v.Node)))
		if len(changed) == 0 {
			t.Errorf("variant %s changes nothing", v.Name)
		}
		compare(t, dir, v.Name, changed)
	}
	wantNoOther(t, dir, variants)
}

// changes returns the differences between the sections in base and in others.
func changes(base, others []string) []string {
	var changed []string
	for _, s := range others {
		header, text, _ := strings.Cut(s, "\n")
		i := slices.IndexFunc(base, func(b string) bool { return strings.HasPrefix(b, header+"\n") })
		switch {
		case i < 0:
			changed = append(changed, s)
		case base[i] != s:
			changed = append(changed, header+"\n"+diff(strings.TrimPrefix(base[i], header+"\n"), text))
		}
	}
	for _, s := range base {
		header, _, _ := strings.Cut(s, "\n")
		if !slices.ContainsFunc(others, func(o string) bool { return strings.HasPrefix(o, header+"\n") }) {
			changed = append(changed, header+"\n(gone)\n")
		}
	}
	return changed
}

// Sections returns files as text: a line with path and mode, then the content.
func Sections(t *testing.T, files []provider.File) []string {
	t.Helper()
	var list []string
	for _, f := range files {
		mode := f.Mode.Perm()
		if mode == 0 {
			mode = 0o644
		}
		text, err := Readable(f.Data)
		if err != nil {
			t.Errorf("%s: %v", f.Path, err)
		}
		list = append(list, fmt.Sprintf("-- %s (%04o) --\n%s", f.Path, mode, text))
	}
	return list
}

func compare(t *testing.T, dir, name string, sections []string) {
	t.Helper()
	path := filepath.Join(dir, name+".golden")
	got := []byte(strings.Join(sections, "\n"))
	if *update {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; go test ./pkg/component/... -update writes it", err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not what was rendered:\n%sgo test ./pkg/component/... -update writes it again", path, diff(string(want), string(got)))
	}
}

// wantNoOther checks that every golden file belongs to a variant.
func wantNoOther(t *testing.T, dir string, variants []Variant) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*.golden"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		name := strings.TrimSuffix(filepath.Base(path), ".golden")
		if name != "default" && !slices.ContainsFunc(variants, func(v Variant) bool { return v.Name == name }) {
			t.Errorf("%s belongs to no variant: remove it", path)
		}
	}
}
