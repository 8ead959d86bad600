//go:build e2e

package e2e

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"
)

// TestTour runs every command of the tour. At its end, the cluster is like any other.
func TestTour(t *testing.T) {
	t.Parallel()
	c := cluster{name: "e2e-tour"}
	t.Cleanup(func() { remove(t, c.name) })
	steps := strings.Count(mkube(t, "tour", "--list"), "\n")
	r := try(t, "", "tour", "--non-interactive", "--name", c.name)
	if last := fmt.Sprintf("%d of %[1]d  ", steps); r.code != 0 || strings.Contains(r.stdout, "\x1b") || !strings.Contains(r.stdout, last) {
		t.Fatal(r)
	}
	try(t, "", "tour", "--non-interactive", "--name", c.name).wants(t, 1, "is complete", "mkube delete cluster --name e2e-tour")
	t.Run("every pod of the system is Ready", func(t *testing.T) { everyPodReady(t, c) })
	mkube(t, "delete", "node", "worker", "--name", c.name)
	c.kubectl(t, "delete", "deployment,service", "web", "--wait")
	t.Run("a Deployment answers through a Service", func(t *testing.T) { served(t, c) })
	if !nightly {
		return // by day, TestCluster covers the rest
	}
	t.Run("only health checks are answered without a name", func(t *testing.T) { anonymous(t, c) })
	t.Run("only etcd's own clients may speak to etcd", func(t *testing.T) { etcdIsClosed(t, c) })
	t.Run("the cluster survives a restart of its node", func(t *testing.T) { restart(t, c) })
}

// screen is a terminal in which a program runs.
type screen struct{ socket string }

func (s screen) tmux(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command("tmux", append([]string{"-L", s.socket}, args...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("tmux %q: %v\n%s", args, err, out)
	}
	return string(out)
}

// shows waits until a text is on the screen.
func (s screen) shows(t *testing.T, text string) {
	t.Helper()
	eventually(t, "the screen shows "+text, func() (bool, string) {
		// -J joins lines that were wrapped at the edge.
		pane := s.tmux(t, "capture-pane", "-p", "-J", "-t", "tour")
		return strings.Contains(pane, text), pane
	})
}

// TestTourInATerminal takes the tour as a person does, in a terminal of 80 columns and 24 rows,
// leaves it, and continues.
func TestTourInATerminal(t *testing.T) {
	t.Parallel()
	const name = "e2e-terminal"
	t.Cleanup(func() { remove(t, name) })
	s := screen{"mkube-e2e"}
	t.Cleanup(func() { _ = exec.Command("tmux", "-L", s.socket, "kill-server").Run() }) // the server may have ended
	s.tmux(t, "new-session", "-d", "-s", "tour", "-x", "80", "-y", "24", *mkubePath+" tour --name "+name+"; echo left with $?; exec sh")
	s.shows(t, fmt.Sprintf("1 of %d  A node with tools", strings.Count(mkube(t, "tour", "--list"), "\n")))
	s.shows(t, "Enter runs it")
	if raw := s.tmux(t, "capture-pane", "-p", "-e", "-t", "tour"); !strings.Contains(raw, "\x1b[1m") {
		t.Errorf("nothing is bold on a terminal:\n%s", raw)
	}
	s.tmux(t, "send-keys", "-t", "tour", "Enter")
	s.shows(t, "as expected")
	s.shows(t, "$ mkube exec control-plane -- kubelet --version")
	s.tmux(t, "send-keys", "-t", "tour", "mkube get nodes", "Enter")
	s.shows(t, "\n  "+name+"-control-plane\n")
	s.tmux(t, "send-keys", "-t", "tour", "q", "Enter")
	s.shows(t, "To continue from here: mkube tour")
	s.shows(t, "left with 0")
	s.tmux(t, "send-keys", "-t", "tour", "clear; "+*mkubePath+" tour --no-color --name "+name, "Enter")
	s.shows(t, "$ mkube exec control-plane -- kubelet --version")
	s.shows(t, "Enter runs it")
	if raw := s.tmux(t, "capture-pane", "-p", "-e", "-t", "tour"); strings.Contains(raw, "\x1b[1m") || strings.Contains(raw, "mkube create cluster") {
		t.Errorf("gone on without colour, the tour shows\n%s", raw)
	}
	s.tmux(t, "send-keys", "-t", "tour", "Enter")
	s.shows(t, "Kubernetes v1.37.2")
	s.tmux(t, "send-keys", "-t", "tour", "C-c", "")
	s.shows(t, "To continue from here: mkube tour")
}
