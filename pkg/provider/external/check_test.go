package external_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/provider/external"
)

// TestCheck checks that warnings and errors of a program become problems of one name.
func TestCheck(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ script, want string }{
		"finds nothing":          {`read x`, ""},
		"refuses":                {`read x; echo '{"error":"no room: end something"}'`, "Provider false mkube-provider-test: check: no room: end something"},
		"warns":                  {`read x; echo '{"warning":"little room"}{"warning":"slow"}'`, "Provider true little room\nProvider true slow"},
		"warns and refuses":      {`read x; echo '{"warning":"slow"}'; echo '{"error":"no room"}'`, "Provider true slow\nProvider false mkube-provider-test: check: no room"},
		"ends with an exit code": {`read x; exit 3`, "Provider false mkube-provider-test: check: exit status 3"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			file := filepath.Join(dir, "mkube-provider-test")
			writeProgram(t, file, "#!/bin/sh\n"+tt.script+"\n")
			var got []string
			for _, p := range external.New(file, dir).Check(t.Context(), config.Cluster{}.Default()) {
				got = append(got, fmt.Sprint(p.Name, " ", p.Warning, " ", p.Err))
			}
			if text := strings.Join(got, "\n"); text != tt.want {
				t.Errorf("Check found\n%s\nwant\n%s", text, tt.want)
			}
		})
	}
}
