//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// stopped ends at Ctrl-C. Every running test then fails at its next step, and deletes its clusters
// as usual.
var stopped context.Context

func failIfInterrupted(t *testing.T) {
	t.Helper()
	if stopped.Err() != nil {
		t.Fatal("interrupted")
	}
}

// lastWords logs the state of a failed test's cluster, which is about to be deleted, and exports
// its logs. If mkube has deleted the cluster, it logs nothing.
func lastWords(t *testing.T, ctx context.Context, name string) {
	t.Helper()
	nodes, err := output(ctx, "get", "nodes", "--name", name, "-o", "name")
	if err != nil || nodes == "" {
		return
	}
	t.Logf("the last words of cluster %s", name)
	kubectl := []string{"kubectl", "--name", name, "--", "--request-timeout=10s"}
	t.Logf("nodes and pods:\n%s", words(ctx, append(kubectl, "get", "nodes,pods", "--all-namespaces", "--output=wide")...))
	t.Logf("the latest events:\n%s", tail(words(ctx, append(kubectl, "get", "events", "--all-namespaces", "--sort-by=.metadata.creationTimestamp")...), 15))
	for node := range strings.FieldsSeq(nodes) {
		t.Logf("kubelet on %s:\n%s", node, words(ctx, "exec", node, "--name", name, "--", "journalctl", "--unit=kubelet", "--no-pager", "--output=cat", "--lines=10"))
	}
	t.Logf("its logs: %s", words(ctx, "export", "logs", filepath.Join(*logsPath, name), "--name", name))
}

// words returns the output of a command, or its error.
func words(ctx context.Context, args ...string) string {
	out, err := output(ctx, args...)
	if err != nil {
		return err.Error()
	}
	return out
}

// output returns mkube's standard output. Unlike try, it does not fail the test, because the test
// has failed already.
func output(ctx context.Context, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	var stdout, stderr strings.Builder
	cmd := exec.CommandContext(ctx, *mkubePath, args...)
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = &stdout, &stderr, time.Second
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("mkube %s: %w\n%s%s", args[0], err, stdout.String(), stderr.String())
	}
	return stdout.String(), nil
}

// tail returns the last lines of a text.
func tail(text string, lines int) string {
	all := strings.SplitAfter(text, "\n")
	return strings.Join(all[max(0, len(all)-lines-1):], "")
}

// TestALimitThatCannotBeRaised checks that the error contains the command to run. Not even root
// can write this limit.
func TestALimitThatCannotBeRaised(t *testing.T) {
	_, err := raise("kernel/cap_last_cap", 1024)
	if err == nil || !strings.HasSuffix(err.Error(), "; run: sudo sysctl kernel.cap_last_cap=1024") {
		t.Error(err)
	}
}
