//go:build e2e

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/docker/docker/api/types/image"
)

// interruptedRun starts mkube, waits until it prints a word, and sends a signal. It returns
// mkube's exit code and its output on standard error.
func interruptedRun(t *testing.T, word string, signal syscall.Signal, args ...string) (code int, printed string) {
	t.Helper()
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	cmd := exec.Command(*mkubePath, args...)
	cmd.Stderr = writer
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	writer.Close()
	var out strings.Builder
	buffer := make([]byte, 64<<10)
	for sent := false; ; {
		n, err := reader.Read(buffer)
		out.Write(buffer[:n])
		if !sent && strings.Contains(out.String(), word) {
			sent = true
			if err := cmd.Process.Signal(signal); err != nil {
				t.Fatal(err)
			}
		}
		if err != nil {
			break
		}
	}
	if !strings.Contains(out.String(), word) {
		t.Fatalf("mkube %q never printed %s:\n%s", args, word, out.String())
	}
	_ = cmd.Wait() // the exit code is checked instead
	return cmd.ProcessState.ExitCode(), out.String()
}

// knowledge returns everything that the nodes of a cluster, the API and etcd store about the
// cluster's nodes.
func (c cluster) knowledge(t *testing.T, nodes ...string) string {
	t.Helper()
	var all strings.Builder
	for _, n := range nodes {
		r := try(t, "", "exec", c.name+"-"+n, "--", "sh", "-c",
			"cd /etc/mkube; cat cluster.yaml pod-network/routes haproxy.cfg 2>/dev/null; ip -brief route show proto static; hostname")
		if r.code != 0 {
			t.Fatal(r)
		}
		all.WriteString(r.stdout)
	}
	all.WriteString(c.kubectl(t, "get", "nodes", "-o", "name"))
	all.WriteString(c.kubectl(t, "get", "configmap", "mkube-nodes", "-n", "kube-system", "-o", "jsonpath={.data}"))
	return all.String()
}

// interruptedAdd presses Ctrl-C while a worker is added to a cluster that has some.
func interruptedAdd(t *testing.T, c cluster, nodes ...string) {
	before, left := c.knowledge(t, nodes...), leftoversOf(t, c.name)
	for moment, word := range map[string]string{
		"while it boots":            `"step":"nodes","state":"running"`,
		"while its network is made": `"step":"kube-proxy","state":"running"`,
	} {
		t.Run(moment, func(t *testing.T) {
			code, printed := interruptedRun(t, word, syscall.SIGINT, "add", "node", "--name", c.name, "--progress", "json")
			if code != 130 {
				t.Errorf("exit code %d, want 130\n%s", code, printed)
			}
			if after := c.knowledge(t, nodes...); after != before {
				t.Errorf("the cluster is\n%s\nand was\n%s", after, before)
			}
			if after := leftoversOf(t, c.name); !slices.Equal(left, after) {
				t.Errorf("left behind: %v, before: %v", after, left)
			}
		})
	}
}

// leftoversOf returns the leftovers of one cluster.
func leftoversOf(t *testing.T, name string) []string {
	t.Helper()
	return slices.DeleteFunc(leftovers(t), func(what string) bool { return !strings.Contains(what, name) })
}

// interruptedStage presses Ctrl-C while the next stage comes up, and checks that the stage can be
// tried again.
func interruptedStage(t *testing.T, c cluster) {
	for _, component := range []string{"etcd", "kube-apiserver"} {
		code, printed := interruptedRun(t, `"step":"`+component+`","state":"running"`, syscall.SIGINT, "stage", "next", "--name", c.name, "--progress", "json")
		if code != 130 {
			t.Errorf("exit code %d, want 130\n%s", code, printed)
		}
		mkube(t, "stage", "next", "--name", c.name)
		try(t, "", "stage", "check", "--name", c.name).wants(t, 0, "")
	}
}

// TestCtrlCDuringBuild checks that neither an image nor an incomplete entry of the cache is left.
func TestCtrlCDuringBuild(t *testing.T) {
	t.Parallel()
	const name = "mkube/e2e-unfinished:test"
	dir, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	building := func() []string {
		list, err := filepath.Glob(filepath.Join(dir, "mkube", "node-image", "*", ".building-*"))
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	before := building()
	code, printed := interruptedRun(t, `"step":"image","state":"running"`, syscall.SIGINT,
		"build", "node-image", "--image", name, "--source", "../node-image", "--progress", "json")
	if code != 130 {
		t.Errorf("exit code %d, want 130\n%s", code, printed)
	}
	if after := building(); !slices.Equal(before, after) {
		t.Errorf("the cache has %q, and had %q", after, before)
	}
	images, err := daemon.ImageList(t.Context(), image.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range images {
		if slices.Contains(i.RepoTags, name) {
			t.Errorf("%s is there: %+v", name, i)
		}
	}
}
