//go:build e2e

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestDryRun runs the output of create --dry-run in a shell, which creates the cluster. It does
// not run in parallel with other tests, because they create networks: the addresses that were free
// when the script was printed must still be free.
func TestDryRun(t *testing.T) {
	if _, err := exec.LookPath("docker"); err != nil {
		t.Fatal("the shell lines are docker commands, which this machine does not have")
	}
	c := cluster{name: "e2e-dry"}
	t.Cleanup(func() { remove(t, c.name) })
	script := mkube(t, "create", "cluster", "--name", c.name, "--workers", "1", "--dry-run")
	if names := strings.Fields(mkube(t, "get", "clusters")); strings.Contains(strings.Join(names, " "), c.name) {
		t.Fatalf("a dry run has made a cluster: %q", names)
	}
	cmd := exec.CommandContext(t.Context(), "sh")
	cmd.Stdin = strings.NewReader(script)
	cmd.Env = append(os.Environ(), "PATH="+filepath.Dir(*mkubePath)+":"+os.Getenv("PATH"))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("the script: %v\n%s", err, out)
	}
	try(t, "", "stage", "check", "--name", c.name).wants(t, 0, "All is as it must be")
}
