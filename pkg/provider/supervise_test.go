package provider_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mkube/mkube/pkg/provider"
)

// leaving runs commands on this host. When ctx ends, it leaves the command running, as an engine
// does.
func leaving(ctx context.Context, cmd provider.Cmd) error {
	c := exec.Command(cmd.Args[0], cmd.Args[1:]...)
	c.Env = append(os.Environ(), cmd.Env...)
	c.Stdout, c.Stderr = cmd.Stdout, cmd.Stderr
	var stdin io.WriteCloser
	if cmd.Stdin != nil {
		var err error
		if stdin, err = c.StdinPipe(); err != nil {
			return err
		}
	}
	if err := c.Start(); err != nil {
		return err
	}
	if stdin != nil {
		go func() {
			_, _ = io.Copy(stdin, cmd.Stdin) // the command may end before it has read all
			stdin.Close()
		}()
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case err := <-ended:
		if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
			return &provider.ExitError{Args: cmd.Args, Code: exit.ExitCode()}
		}
		return err
	}
}

// withVariable returns the processes of this host that have an environment variable.
func withVariable(t *testing.T, variable string) (list []string) {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		data, _ := os.ReadFile(file) // the process may have ended
		if bytes.Contains(data, []byte(variable+"\x00")) {
			list = append(list, filepath.Base(filepath.Dir(file)))
		}
	}
	return list
}

func waitFor(t *testing.T, what string, ask func() bool) {
	t.Helper()
	// 15 s is far above endLimit and the second until SIGKILL.
	for deadline := time.Now().Add(15 * time.Second); !ask(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not after 15 s", what)
		}
	}
}

// stubborn starts a tree of processes, some of which ignore SIGTERM.
const stubborn = `trap "" TERM; setsid sleep 100 & (trap - TERM; sleep 100) & while :; do sleep 1; done`

func TestSupervise(t *testing.T) {
	t.Parallel()
	for name, cmd := range map[string]provider.Cmd{"plain": {}, "guarded": {Guarded: true}, "on a terminal": {TTY: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mark := "MKUBE_TEST=" + rand.Text()
			cmd.Args, cmd.Env = []string{"sh", "-c", stubborn}, []string{mark}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			result := make(chan error, 1)
			go func() { result <- provider.Supervise(ctx, cmd, leaving) }()
			waitFor(t, "the command runs", func() bool { return len(withVariable(t, mark)) >= 4 })
			cancel()
			if err := <-result; !errors.Is(err, context.Canceled) {
				t.Errorf("Supervise = %v", err)
			}
			waitFor(t, "nothing is left", func() bool { return len(withVariable(t, mark)) == 0 })
		})
	}
}

// TestSuperviseEnds checks that Supervise does not change a command that ends without a cancel.
func TestSuperviseEnds(t *testing.T) {
	t.Parallel()
	mark := "MKUBE_TEST=" + rand.Text()
	args := []string{"sh", "-c", `sleep 100 >/dev/null 2>&1 & printf "%s|" "$@"; exit 3`, "sh", "a b", "", "$x'"}
	var out strings.Builder
	err := provider.Supervise(t.Context(), provider.Cmd{Args: args, Env: []string{mark}, Stdout: &out, Guarded: true}, leaving)
	exit := (*provider.ExitError)(nil)
	if !errors.As(err, &exit) || exit.Code != 3 || !slices.Equal(exit.Args, args) || out.String() != "a b||$x'|" {
		t.Errorf("Supervise = %v, %q", err, out.String())
	}
	waitFor(t, "the guard's file is gone", func() bool {
		for _, pid := range withVariable(t, mark) {
			environ, _ := os.ReadFile("/proc/" + pid + "/environ") // the process may have ended
			_, id, _ := strings.Cut(string(environ), "MKUBE_EXEC=")
			id, _, _ = strings.Cut(id, "\x00")
			if _, err := os.Stat("/tmp/mkube-exec-" + id); err == nil {
				return false
			}
		}
		return true
	})
	left := withVariable(t, mark)
	if len(left) != 1 {
		t.Errorf("processes %v are left; want the one in the background", left)
	}
	for _, pid := range left {
		_ = exec.Command("kill", "-9", pid).Run() // the process may have ended
	}
}

const killedVariable = "MKUBE_TEST_KILLED"

// TestSuperviseKilled kills a process that supervises a guarded command, and the command clears its
// environment.
func TestSuperviseKilled(t *testing.T) {
	if mark := os.Getenv(killedVariable); mark != "" {
		cmd := provider.Cmd{Args: []string{"env", "-i", mark, "sh", "-c", stubborn}, Guarded: true}
		t.Fatal(provider.Supervise(t.Context(), cmd, leaving))
	}
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	mark := "MKUBE_TEST=" + rand.Text()
	c := exec.Command(self, "-test.run=^TestSuperviseKilled$")
	c.Env = append(os.Environ(), killedVariable+"="+mark)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the command runs", func() bool { return len(withVariable(t, mark)) >= 4 })
	if err := c.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = c.Wait() // its error is the kill
	waitFor(t, "nothing is left", func() bool { return len(withVariable(t, mark)) == 0 })
}
