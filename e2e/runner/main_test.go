package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// execute runs the tests of a package with some source, and interrupts them when they print ready.
func execute(t *testing.T, timeout time.Duration, source string) (code int, printed string) {
	t.Helper()
	dir := t.TempDir()
	for name, data := range map[string]string{"go.mod": "module p\n\ngo 1.26\n", "p_test.go": source} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(data), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
	var out strings.Builder
	signals := make(chan os.Signal, 1)
	code, err := tests{parallel: 2, timeout: timeout, packages: []string{"."}}.execute(context.Background(), signals, notify{&out, signals}, &out)
	if err != nil {
		t.Fatal(err)
	}
	return code, out.String()
}

// notify sends an interrupt when ready is written.
type notify struct {
	*strings.Builder
	signals chan<- os.Signal
}

func (n notify) Write(p []byte) (int, error) {
	if strings.Contains(string(p), "] TestReady started") {
		n.signals <- os.Interrupt
	}
	return n.Builder.Write(p)
}

func TestExitCodes(t *testing.T) {
	const begin = "package p\n\nimport (\n\t\"os\"\n\t\"testing\"\n\t\"time\"\n)\n\nvar _, _ = os.Args, time.Now\n\n"
	for name, c := range map[string]struct {
		source string
		code   int
		want   []string
	}{
		"all pass":                {begin + "func TestA(t *testing.T) {}", 0, []string{"[1/1] PASS TestA (0.0s), 0 left\n", "\nok  \tp\t"}},
		"a test fails":            {begin + "func TestA(t *testing.T) { t.Error(`bad`) }", 1, []string{"[1/1] FAIL TestA", ": bad\n", "FAIL\tp\t", "\nFAIL\n"}},
		"it does not compile":     {begin + "func TestA(t *testing.T) { undefined() }", 1, []string{"undefined: undefined", "FAIL\tp [build failed]\nFAIL\n"}},
		"a test panics":           {begin + "func TestA(t *testing.T) { panic(`boom`) }", 1, []string{"panic: boom", "FAIL\tp\t", "\nFAIL\n"}},
		"the tests end too early": {begin + "func TestA(t *testing.T) { os.Exit(3) }", 1, []string{"[1/1] FAIL TestA (did not end)", "FAIL\tp\t", "\nFAIL\n"}},
		"the time is over": {
			begin + "func TestA(t *testing.T) { time.Sleep(time.Hour) }", 1,
			[]string{"panic: test timed out after 2s", "failed: TestA\n", "FAIL\tp\t", "\nFAIL\n"},
		},
		"a signal comes": {
			begin + "func TestReady(t *testing.T) { time.Sleep(time.Hour) }", 130,
			[]string{"interrupt: the tests stop", "[1/1] FAIL TestReady (did not end)", "\nFAIL\n"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			code, printed := execute(t, 2*time.Second, c.source)
			if code != c.code {
				t.Errorf("exit code %d, want %d", code, c.code)
			}
			for _, want := range c.want {
				if !strings.Contains(printed, want) {
					t.Errorf("there is no %q", want)
				}
			}
			if t.Failed() {
				t.Log(printed)
			}
		})
	}
}

// TestNoProcessIsLeft checks that a process of a test that panics is ended.
func TestNoProcessIsLeft(t *testing.T) {
	pid := filepath.Join(t.TempDir(), "pid")
	_, printed := execute(t, time.Minute, `package p

import (
	"os"
	"os/exec"
	"strconv"
	"testing"
)

func TestA(t *testing.T) {
	cmd := exec.Command("sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("`+pid+`", []byte(strconv.Itoa(cmd.Process.Pid)), 0o644); err != nil {
		t.Fatal(err)
	}
	panic("boom")
}
`)
	data, err := os.ReadFile(pid)
	if err != nil {
		t.Fatal(err, printed)
	}
	// A zombie that no process waits for has no command line.
	if left, err := os.ReadFile(filepath.Join("/proc", string(data), "cmdline")); err == nil && len(left) > 0 {
		t.Errorf("process %s is left: %q", data, left)
	}
}

func TestSubtestsAreNotCounted(t *testing.T) {
	if got := (tests{run: "^TestSubtestsAre/x", packages: []string{"."}}).count(context.Background()); got != 1 {
		t.Errorf("%d tests, want 1", got)
	}
}
