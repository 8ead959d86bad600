//go:build e2e

package e2e

import (
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/client"
)

// together runs commands at the same time and returns their results.
func together(t *testing.T, commands ...[]string) []result {
	results := make([]result, len(commands))
	var wait sync.WaitGroup
	for i, args := range commands {
		wait.Go(func() { results[i] = try(t, "", args...) })
	}
	wait.Wait()
	return results
}

// wantOneWinner checks that one of two commands succeeds, and that the other one exits with code 1
// and a line with these words.
func wantOneWinner(t *testing.T, results []result, words string) {
	t.Helper()
	slices.SortFunc(results, func(a, b result) int { return a.code - b.code })
	if results[0].code != 0 || results[1].code != 1 || !strings.Contains(results[1].stderr, words) {
		t.Errorf("want one that succeeds, and one that says %q:\n%s\n%s", words, results[0], results[1])
	}
	if strings.Contains(results[1].stderr, "is left") {
		t.Errorf("the loser speaks of the winner's cluster as of its own leftovers: %s", results[1])
	}
}

// background starts mkube and waits until it has printed a word.
func background(t *testing.T, word string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), *mkubePath, args...)
	out, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	buffer := make([]byte, 4096)
	for !strings.Contains(said.String(), word) {
		n, err := out.Read(buffer)
		said.Write(buffer[:n])
		if err != nil {
			t.Fatalf("mkube %s never printed %s:\n%s", strings.Join(args, " "), word, said.String())
		}
	}
	go func() { // the rest of the output must not fill the pipe
		for {
			if _, err := out.Read(buffer); err != nil {
				return
			}
		}
	}()
	return cmd
}

// TestTwoCommandsAtOnce checks that one of two commands that change a cluster does all its work,
// and that the other one names the holder of the lock and changes nothing.
func TestTwoCommandsAtOnce(t *testing.T) {
	t.Parallel()
	const name = "e2e-together"
	t.Cleanup(func() { remove(t, name) })
	creating := []string{"create", "cluster", "--name", name, "--progress", "plain"}
	wantOneWinner(t, together(t, creating, creating), "already exists")
	c := cluster{name}
	if out := c.kubectl(t, "get", "--raw", "/readyz"); out != "ok" {
		t.Errorf("the API server of the winner says %s", out)
	}
	c.twoAdds(t)
	for _, other := range [][]string{
		{"stop", "cluster"}, {"start", "cluster", "--progress", "plain"}, {"delete", "cluster"}, {"delete", "node", "worker"},
		{"add", "node", "--progress", "plain"}, {"stage", "back"}, {"break", "dns-has-no-pods"}, {"fix"},
	} {
		t.Run(strings.Join(other, " ")+" beside add node", func(t *testing.T) {
			add := background(t, `"step":"nodes","state":"running"`, "add", "node", "--name", name, "--progress", "json")
			// On a busy machine, the other command could begin too late to meet this one.
			if err := add.Process.Signal(syscall.SIGSTOP); err != nil {
				t.Fatal(err)
			}
			r := try(t, "", append(slices.Clone(other), "--name", name)...)
			if err := add.Process.Signal(syscall.SIGCONT); err != nil {
				t.Fatal(err)
			}
			if r.code != 1 || !strings.Contains(r.stderr, fmt.Sprintf("mkube add node (process %d on ", add.Process.Pid)) {
				t.Errorf("want exit code 1 and the name of the command that is at work: %s", r)
			}
			if err := add.Wait(); err != nil {
				t.Errorf("add node: %v", err)
			}
			c.wantNodes(t, "control-plane", "worker", "worker2")
			mkube(t, "delete", "node", "worker2", "--name", name, "--drain", "0", "--progress", "plain")
		})
	}
	t.Run("add node is killed", c.addIsKilled)
	t.Run("stop is killed", c.stopIsKilled)
}

// twoAdds checks that each of two adds at the same time adds a node, or reports that the other one
// holds the lock.
func (c cluster) twoAdds(t *testing.T) {
	t.Helper()
	adding := []string{"add", "node", "--name", c.name, "--progress", "plain"}
	results := together(t, adding, adding)
	if results[0].code == 0 && results[1].code == 0 { // one began after the other had ended
		c.wantNodes(t, "control-plane", "worker", "worker2")
		mkube(t, "delete", "node", "worker2", "--name", c.name, "--drain", "0", "--progress", "plain")
	} else {
		wantOneWinner(t, results, "mkube add node (process ")
	}
	c.wantNodes(t, "control-plane", "worker")
}

// addIsKilled checks that a killed add holds no lock, and that the next one deletes what it left.
func (c cluster) addIsKilled(t *testing.T) {
	add := background(t, `"step":"nodes","state":"running"`, "add", "node", "--name", c.name, "--progress", "json")
	// The add is killed as soon as the container exists, long before the other nodes know of it.
	for deadline := time.Now().Add(3 * time.Minute); !slices.Contains(c.containers(t), c.name+"-worker2"); {
		if time.Now().After(deadline) {
			t.Fatal("the new node has no container after 3 minutes")
		}
	}
	if err := add.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = add.Wait() // the error reports that it was killed
	c.wantWarning(t)
	start := time.Now()
	mkube(t, "add", "node", "--name", c.name, "--progress", "plain")
	c.wantNodes(t, "control-plane", "worker", "worker2")
	t.Logf("the next add took %s", time.Since(start).Round(time.Millisecond))
}

// stopIsKilled checks that the engine finishes the stop although its command was killed, and that
// start waits for it.
func (c cluster) stopIsKilled(t *testing.T) {
	for _, name := range c.containers(t) {
		stopped := make(chan error, 1)
		go func() { stopped <- daemon.ContainerStop(t.Context(), name, container.StopOptions{}) }()
		eventually(t, name+" stops", func() (bool, string) {
			r := try(t, "", "exec", "--name", c.name, strings.TrimPrefix(name, c.name+"-"), "--", "systemctl", "is-system-running")
			return strings.Contains(r.stdout, "stopping") || strings.Contains(r.stderr, "is not running"), r.String()
		})
		mkube(t, "start", "cluster", "--name", c.name, "--progress", "plain")
		if err := <-stopped; err != nil {
			t.Error(err)
		}
	}
	if out := c.kubectl(t, "get", "--raw", "/readyz"); out != "ok" {
		t.Errorf("the API server says %s", out)
	}
	c.wantNodes(t, "control-plane", "worker", "worker2")
}

// wantWarning checks that a command that opens the cluster warns of the stray node.
func (c cluster) wantWarning(t *testing.T) {
	t.Helper()
	want := fmt.Sprintf("Warning: node %s-worker2 is not part of cluster %q", c.name, c.name)
	if r := try(t, "", "stage", "--name", c.name); r.code != 0 || !strings.Contains(r.stderr, want) {
		t.Errorf("stage says nothing of the node that an add has left: %s", r)
	}
}

// containers returns the names of all containers of the cluster.
func (c cluster) containers(t *testing.T) []string { return containersOf(t, daemon, c.name, true) }

// containersOf returns the names of a cluster's containers on an engine, sorted. If all is false,
// it returns only those that run.
func containersOf(t *testing.T, engine *client.Client, name string, all bool) []string {
	t.Helper()
	list, err := engine.ContainerList(t.Context(), container.ListOptions{
		All: all, Filters: filters.NewArgs(filters.Arg("label", "dev.mkube.cluster="+name)),
	})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, s := range list {
		names = append(names, strings.TrimPrefix(s.Names[0], "/"))
	}
	slices.Sort(names)
	return names
}

// wantNodes checks that exactly these nodes exist, as containers and in the API, all of them
// Ready.
func (c cluster) wantNodes(t *testing.T, names ...string) {
	t.Helper()
	var want []string
	for _, n := range names {
		want = append(want, c.name+"-"+n)
	}
	if got := c.containers(t); !slices.Equal(got, want) {
		t.Errorf("the containers are %v; want %v", got, want)
	}
	if got := strings.Fields(c.kubectl(t, "get", "nodes", "-o", "jsonpath={.items[*].metadata.name}")); !slices.Equal(got, want) {
		t.Errorf("the API has the nodes %v; want %v", got, want)
	}
	c.kubectl(t, "wait", "--for=condition=Ready", "nodes", "--all", "--timeout=180s")
}
