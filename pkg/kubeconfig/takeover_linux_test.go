package kubeconfig_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mkube/mkube/pkg/kubeconfig"
)

// TestMain is also the mkube that TestKilledHolder kills. It holds the lock of the first file while
// it waits for that of the second.
func TestMain(m *testing.M) {
	if files := os.Getenv("KUBECONFIG_TEST_MERGE"); files != "" {
		if _, err := kubeconfig.Merge(context.Background(), filepath.SplitList(files), entry("a"), true); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// holder starts a mkube that holds the lock of the first of two files.
func holder(t *testing.T) (one, two string, cmd *exec.Cmd) {
	t.Helper()
	folder := t.TempDir()
	one, two = filepath.Join(folder, "1"), filepath.Join(folder, "2")
	putAt(t, one, "contexts:\n- name: a\n")
	putAt(t, two, "users:\n- name: a\n")
	putAt(t, two+".lock", "")
	cmd = exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "KUBECONFIG_TEST_MERGE="+one+string(filepath.ListSeparator)+two)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() }) // the test may have killed it
	for _, err := os.Stat(one + ".lock"); err != nil; _, err = os.Stat(one + ".lock") {
		if t.Context().Err() != nil {
			t.Fatal("no lock was taken")
		}
		time.Sleep(time.Millisecond) // gives the other process time
	}
	return one, two, cmd
}

func TestKilledHolder(t *testing.T) {
	t.Parallel()
	one, two, cmd := holder(t)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	_, err := kubeconfig.Merge(ctx, []string{one}, entry("b"), true)
	host, _ := os.Hostname() // newMark ignores this error too
	want := fmt.Sprintf("locking a kubeconfig: %s.lock was created by mkube (process %d on host %s) ", one, cmd.Process.Pid, host)
	if err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("while its holder runs: %v; want %s", err, want)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // its error is the kill
	if _, err := os.Stat(one + ".lock"); err != nil {
		t.Fatalf("it gave its lock back: %v", err)
	}
	if err := os.Remove(two + ".lock"); err != nil {
		t.Fatal(err)
	}
	merge(t, entry("b"), one, two)
	wantFiles(t, filepath.Dir(one), "1", "2")
}

// TestTakeOver checks that only the lock of a mkube that has certainly ended is removed.
func TestTakeOver(t *testing.T) {
	t.Parallel()
	one, _, cmd := holder(t)
	data, err := os.ReadFile(one + ".lock")
	if err != nil {
		t.Fatal(err)
	}
	_, _ = cmd.Process.Kill(), cmd.Wait() // Wait's error is the kill
	for name, test := range map[string]struct {
		change func(mark map[string]any)
		want   bool
	}{
		"as it was left":              {func(map[string]any) {}, true},
		"before a boot":               {func(m map[string]any) { m["boot"], m["pid"] = "another", os.Getpid() }, true},
		"the number is another's now": {func(m map[string]any) { m["pid"] = os.Getpid() }, true},
		"of another host":             {func(m map[string]any) { m["host"] = "elsewhere" }, false},
		"of another machine":          {func(m map[string]any) { m["machine"] = "another" }, false},
		"of another PID namespace":    {func(m map[string]any) { m["namespace"] = "pid:[1]" }, false},
		"of no known boot":            {func(m map[string]any) { delete(m, "boot") }, false},
		"of no number":                {func(m map[string]any) { m["pid"] = 0 }, false},
		"of another program":          {func(m map[string]any) { m["program"] = "other" }, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var mark map[string]any
			if err := json.Unmarshal(data, &mark); err != nil {
				t.Fatal(err)
			}
			test.change(mark)
			text, err := json.Marshal(mark)
			if err != nil {
				t.Fatal(err)
			}
			path := tempFile(t, alone)
			putAt(t, path+".lock", string(text))
			ctx := t.Context()
			if !test.want {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, 100*time.Millisecond)
				defer cancel()
			}
			_, err = kubeconfig.Merge(ctx, []string{path}, entry("b"), true)
			if _, statErr := os.Stat(path + ".lock"); (err == nil) != test.want || (statErr != nil) != test.want {
				t.Errorf("taken over: %v, the lock: %v; want %t", err, statErr, test.want)
			}
		})
	}
}

// TestTakeOverAtOnce checks that all of several processes that find the same left lock get it in
// turn.
func TestTakeOverAtOnce(t *testing.T) {
	t.Parallel()
	one, _, cmd := holder(t)
	_, _ = cmd.Process.Kill(), cmd.Wait() // Wait's error is the kill
	const many = 8
	errs := make(chan error)
	for i := range many {
		go func() {
			_, err := kubeconfig.Merge(t.Context(), []string{one}, entry(fmt.Sprint("mkube-", i)), false)
			errs <- err
		}()
	}
	for range many {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	text := get(t, one)
	for i := range many {
		if !strings.Contains(text, fmt.Sprintf("name: mkube-%d\n", i)) {
			t.Errorf("entry %d was lost:\n%s", i, text)
		}
	}
}
