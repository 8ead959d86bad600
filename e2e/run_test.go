//go:build e2e

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// yourOwn runs a user's scheduler in place of kube-scheduler: one that schedules, one that does
// not, and then mkube's own again.
func yourOwn(t *testing.T, c cluster) {
	program := filepath.Join(t.TempDir(), "my-scheduler")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", program, "./testdata/scheduler")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	run := func(args ...string) result {
		return try(t, "", append([]string{"run", "kube-scheduler", "--name", c.name, "--progress", "plain"}, args...)...)
	}
	t.Run("a binary that needs libraries is refused", func(t *testing.T) {
		run("--binary", "/bin/sh").wants(t, 1, "build it with CGO_ENABLED=0")
	})
	t.Run("one with the component's flags schedules pods", func(t *testing.T) {
		r := run("--binary", program)
		r.wants(t, 0, "Your kube-scheduler runs.")
		c.kubectl(t, "create", "deployment", "first", "--image=example.com/none")
		eventually(t, "the pod has a node", func() (bool, string) { return c.scheduled(t, "first") })
		// The suggested command works.
		_, hint, _ := strings.Cut(r.stderr, "mkube kubectl ")
		hint, _, _ = strings.Cut(hint, "\n")
		if out := mkube(t, append([]string{"kubectl"}, strings.Fields(hint)...)...); !strings.HasPrefix(out, "this is my own scheduler\n") {
			t.Errorf("mkube kubectl %s says\n%s", hint, out)
		}
	})
	t.Run("one with other arguments is given only these", func(t *testing.T) {
		run("--binary", program, "--", "idle").wants(t, 0, "Your kube-scheduler runs.")
		c.kubectl(t, "create", "deployment", "second", "--image=example.com/none")
		eventually(t, "there is a pod", func() (bool, string) {
			out := c.kubectl(t, "get", "pods", "-l", "app=second", "-o", "name")
			return out != "", out
		})
		if ok, node := c.scheduled(t, "second"); ok {
			t.Errorf("it schedules nothing, and the pod is on %s", node)
		}
	})
	t.Run("mkube's own comes back", func(t *testing.T) {
		run().wants(t, 0, "kube-scheduler runs its own program again.")
		eventually(t, "the pod that waited has a node", func() (bool, string) { return c.scheduled(t, "second") })
		c.kubectl(t, "delete", "deployment", "first", "second")
	})
}

// scheduled reports whether a Deployment's pod has a node, and which.
func (c cluster) scheduled(t *testing.T, deployment string) (ok bool, node string) {
	t.Helper()
	node = c.kubectl(t, "get", "pods", "-l", "app="+deployment, "-o", "jsonpath={.items[*].spec.nodeName}")
	return node != "", node
}
