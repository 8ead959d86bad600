//go:build e2e

// Package e2e tests mkube as its users do: the built command, on real clusters. The name of each
// check is a sentence.
package e2e

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/docker/docker/client"

	"github.com/mkube/mkube/pkg/provider/docker"
)

var (
	mkubePath = flag.String("mkube", "../bin/mkube", "the mkube to test")
	keep      = flag.Bool("keep", false, "keep the clusters of failed tests")
	logsPath  = flag.String("logs", "../bin/logs", "the folder for the logs of failed tests' clusters")
)

// daemon is a client of the Docker daemon, with which tests check the objects of mkube.
var daemon *client.Client

func TestMain(m *testing.M) {
	flag.Parse()
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		os.Exit(1)
	}
	os.Exit(code)
}

func run(m *testing.M) (int, error) {
	for _, path := range []*string{mkubePath, logsPath} {
		abs, err := filepath.Abs(*path)
		if err != nil {
			return 1, err
		}
		*path = abs
	}
	if _, err := os.Stat(*mkubePath); err != nil {
		return 1, fmt.Errorf("%w: make build makes it", err)
	}
	if flag.Lookup("test.list").Value.String() != "" {
		return m.Run(), nil
	}
	var err error
	if daemon, err = docker.Dial(); err != nil {
		return 1, err
	}
	var stop func()
	stopped, stop = signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	restore, err := raise("fs/inotify/max_user_instances", 1024)
	if err != nil {
		return 1, err
	}
	defer restore()
	// The tests must not change the user's kubeconfig.
	dir, err := os.MkdirTemp("", "mkube-e2e-")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(dir)
	if err := os.Setenv("KUBECONFIG", filepath.Join(dir, "kubeconfig")); err != nil {
		return 1, err
	}
	return m.Run(), nil
}

// raise raises a limit of the kernel that is too low for clusters of several nodes, as mkube's
// preflight check suggests to users.
func raise(limit string, enough int) (restore func(), err error) {
	file := filepath.Join("/proc/sys", limit)
	before, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(before)))
	if err != nil || n >= enough {
		return func() {}, err
	}
	if err := os.WriteFile(file, []byte(strconv.Itoa(enough)), 0o644); err != nil {
		name := strings.ReplaceAll(limit, "/", ".")
		return nil, fmt.Errorf("%s is %d, and the tests need %d (%w); run: sudo sysctl %s=%d", name, n, enough, err, name, enough)
	}
	return func() { _ = os.WriteFile(file, before, 0o644) }, nil // there is nothing else to try
}

// result is the result of an mkube that has ended.
type result struct {
	stdout, stderr string
	code           int
	took           time.Duration
}

func (r result) String() string {
	return fmt.Sprintf("exit code %d after %s\nstdout:\n%s\nstderr:\n%s", r.code, r.took.Round(time.Millisecond), r.stdout, r.stderr)
}

// try runs mkube until it ends, with any exit code.
func try(t *testing.T, stdin string, args ...string) result {
	t.Helper()
	failIfInterrupted(t)
	r := tryContext(t, t.Context(), stdin, args...)
	failIfInterrupted(t) // mkube got the same signal
	return r
}

func tryContext(t *testing.T, ctx context.Context, stdin string, args ...string) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, *mkubePath, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &stdout, &stderr
	start := time.Now()
	err := cmd.Run()
	r := result{stdout: stdout.String(), stderr: stderr.String(), took: time.Since(start)}
	// If the program ends at the moment when it is killed, the error is that of the context.
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) || ctx.Err() != nil && cmd.ProcessState != nil {
		r.code = cmd.ProcessState.ExitCode()
	} else if err != nil {
		t.Fatalf("running mkube %q: %v", args, err)
	}
	return r
}

// mkube runs mkube, which must succeed, and returns its standard output.
func mkube(t *testing.T, args ...string) string {
	t.Helper()
	r := try(t, "", args...)
	if r.code != 0 {
		t.Fatalf("mkube %s: %s", strings.Join(args, " "), r)
	}
	return r.stdout
}

// cluster is a running cluster of a test.
type cluster struct{ name string }

// create creates a cluster that is deleted at the end of the test.
func create(t *testing.T, name, config string, flags ...string) cluster {
	t.Helper()
	t.Cleanup(func() { remove(t, name) })
	args := append([]string{"create", "cluster", "--name", name, "--progress", "plain"}, flags...)
	if config != "" {
		args = append(args, "--config", "-")
	}
	if r := try(t, config, args...); r.code != 0 {
		t.Fatalf("creating %s: %s", name, r)
	}
	return cluster{name}
}

func remove(t *testing.T, name string) {
	if t.Failed() && *keep {
		t.Logf("cluster %s is kept", name)
		return
	}
	// The context of the test has ended already.
	ctx := context.Background()
	if t.Failed() && stopped.Err() == nil {
		lastWords(t, ctx, name)
	}
	r := tryContext(t, ctx, "", "delete", "cluster", "--name", name)
	if r.code == 130 { // Ctrl-C reached this command, too
		r = tryContext(t, ctx, "", "delete", "cluster", "--name", name)
	}
	if r.code != 0 {
		t.Errorf("deleting %s: %s", name, r)
	}
}

// kubectl runs the node's own kubectl, which must succeed.
func (c cluster) kubectl(t *testing.T, args ...string) string {
	t.Helper()
	return c.apply(t, "", args...)
}

// apply is kubectl with standard input.
func (c cluster) apply(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	r := try(t, stdin, append([]string{"kubectl", "--name", c.name, "--"}, args...)...)
	if r.code != 0 {
		t.Fatalf("kubectl %s: %s", strings.Join(args, " "), r)
	}
	return r.stdout
}

// sh runs a script on the control plane.
func (c cluster) sh(t *testing.T, script string) result {
	t.Helper()
	return try(t, "", "exec", c.name+"-control-plane", "--", "sh", "-c", script)
}

// eventually repeats a check until it succeeds, for at most three minutes. A fast machine needs
// seconds. The last answer is part of the failure.
func eventually(t *testing.T, what string, ask func() (ok bool, answer string)) {
	t.Helper()
	deadline := time.Now().Add(3 * time.Minute)
	for {
		ok, answer := ask()
		if ok {
			return
		}
		failIfInterrupted(t)
		if time.Now().After(deadline) {
			t.Fatalf("%s: still not after 3 minutes: %s", what, answer)
		}
		time.Sleep(200 * time.Millisecond)
	}
}
