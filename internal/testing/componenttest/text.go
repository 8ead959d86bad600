package componenttest

import (
	"strings"
	"testing"

	"github.com/mkube/mkube/pkg/provider"
)

// Message returns the text of an error, or "" for nil.
func Message(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// Data returns the content of one of the files.
func Data(t *testing.T, files []provider.File, path string) []byte {
	t.Helper()
	for _, f := range files {
		if f.Path == path {
			return f.Data
		}
	}
	t.Fatalf("no file %s", path)
	return nil
}

// Field returns a field of the description of a certificate among the files (see pki.Describe),
// such as "IP".
func Field(t *testing.T, files []provider.File, path, name string) string {
	t.Helper()
	text, err := Readable(Data(t, files, path))
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
