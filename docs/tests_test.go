package docs

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestPromisesAreTested checks that every test that tests.md names exists.
func TestPromisesAreTested(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("tests.md")
	if err != nil {
		t.Fatal(err)
	}
	var sources bytes.Buffer
	for _, dir := range []string{"../docs", "../e2e", "../images", "../internal", "../node-image", "../pkg"} {
		err := filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, "_test.go") {
				return err
			}
			data, err := os.ReadFile(path)
			sources.Write(data)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	named := regexp.MustCompile("`((Test|Fuzz)[A-Za-z0-9]+)`").FindAllSubmatch(text, -1)
	if len(named) < 40 {
		t.Fatalf("tests.md names only %d tests", len(named))
	}
	for _, name := range named {
		if !bytes.Contains(sources.Bytes(), []byte("func "+string(name[1])+"(")) {
			t.Errorf("there is no test %s", name[1])
		}
	}
}
