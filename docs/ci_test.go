package docs

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/mod/modfile"
)

func readModule(t *testing.T, file string) *modfile.File {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	module, err := modfile.Parse(file, data, nil)
	if err != nil {
		t.Fatal(err)
	}
	return module
}

// TestCacheKeysNameEveryInput checks that the keys of CI caches name all folders that the node
// image is built from. If one were missing, every run would compile a change in it again.
func TestCacheKeysNameEveryInput(t *testing.T) {
	t.Parallel()
	modules, err := filepath.Glob("../node-image/*/go.mod")
	if err != nil {
		t.Fatal(err)
	}
	inputs := []string{"node-image"}
	for _, file := range modules {
		for _, replace := range readModule(t, file).Replace {
			if replace.New.Version == "" { // a folder
				inputs = append(inputs, strings.TrimPrefix(replace.New.Path, "../../"))
			}
		}
	}
	if len(inputs) < 2 {
		t.Fatal("the node image is built from node-image alone")
	}
	for _, file := range []string{"ci.md", "../.github/workflows/ci.yml", "../.github/workflows/nightly.yml", "../.github/actions/mkube/action.yml"} {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		keys := 0
		for line := range strings.Lines(string(data)) {
			if !strings.Contains(line, "hashFiles('node-image") && !strings.Contains(line, "find node-image ") {
				continue
			}
			keys++
			for _, input := range inputs {
				if !strings.Contains(line, input) {
					t.Errorf("%s: %s is not in: %s", file, input, line)
				}
			}
		}
		if keys != 1 {
			t.Errorf("%s has %d keys of the node image's cache, want 1", file, keys)
		}
	}
}

// TestReadmeNamesTheVersionOfGo checks that the README names the version in go.mod.
func TestReadmeNamesTheVersionOfGo(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	want := "Go " + readModule(t, "../go.mod").Go.Version + " or newer"
	if got := strings.Count(string(readme), want); got != 2 {
		t.Errorf("README.md says %q %d times, want 2", want, got)
	}
	for _, file := range []string{"ci.yml", "nightly.yml", "../actions/mkube/action.yml"} {
		data, err := os.ReadFile(filepath.Join("../.github/workflows", file))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(data), "go-version: ~"+readModule(t, "../go.mod").Go.Version+" ") {
			t.Errorf("%s installs another version of Go", file)
		}
	}
}

// TestNightlyRunsEveryPart checks that all parts run, also after one that failed, and that the
// exit code then is 1.
func TestNightlyRunsEveryPart(t *testing.T) {
	t.Parallel()
	for failing, code := range map[string]int{"none": 0, "e2e": 1, "conformance": 1} {
		fake := filepath.Join(t.TempDir(), "make")
		if err := os.WriteFile(fake, []byte("#!/bin/sh\necho \"makes $2\"\n[ \"$2\" != "+failing+" ]\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), "../.ci/nightly")
		cmd.Env = append(os.Environ(), "MAKE="+fake, "VM=")
		out, _ := cmd.CombinedOutput() // the exit code is checked below
		if cmd.ProcessState.ExitCode() != code {
			t.Errorf("%s fails: exit code %d, want %d", failing, cmd.ProcessState.ExitCode(), code)
		}
		for _, part := range []string{"e2e", "machines", "conformance", "chaos"} {
			result := "passed"
			if part == failing {
				result = "failed"
			}
			if line := regexp.MustCompile(`(?m)^` + part + ` +` + result + ` +\d+m\d\ds$`); !line.Match(out) || !strings.Contains(string(out), "\nmakes "+part+"\n") {
				t.Errorf("%s fails: part %s is not reported as %s:\n%s", failing, part, result, out)
			}
		}
	}
}
