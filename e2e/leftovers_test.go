//go:build e2e

package e2e

import (
	"context"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/volume"
)

// mine reports whether something on the daemon is mkube's: it has the label that all
// of mkube's things have, or at least a name of theirs. What else comes and goes on
// the daemon is somebody else's.
func mine(name string, labels map[string]string) bool {
	_, labelled := labels["dev.mkube.cluster"]
	return labelled || strings.Contains(name, "e2e-") || strings.Contains(name, "mkube")
}

// leftovers names all of mkube that the daemon and the kubeconfig hold.
func leftovers(t *testing.T) []string {
	t.Helper()
	ctx := context.Background()
	var names []string
	containers, err := daemon.ContainerList(ctx, container.ListOptions{All: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range containers {
		if mine(c.Names[0], c.Labels) {
			names = append(names, "container "+c.Names[0])
		}
	}
	networks, err := daemon.NetworkList(ctx, network.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range networks {
		if mine(n.Name, n.Labels) {
			names = append(names, "network "+n.Name)
		}
	}
	volumes, err := daemon.VolumeList(ctx, volume.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range volumes.Volumes {
		if mine(v.Name, v.Labels) {
			names = append(names, "volume "+v.Name)
		}
	}
	config, err := os.ReadFile(os.Getenv("KUBECONFIG"))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(config)) {
		if strings.Contains(line, "name: ") {
			names = append(names, "kubeconfig "+strings.TrimSpace(line))
		}
	}
	slices.Sort(names)
	return names
}

// interrupted starts a create, waits until it prints a word, sends it a signal, and
// returns its exit code and what it printed.
func interrupted(t *testing.T, name, word string, signal syscall.Signal) (code int, printed string) {
	t.Helper()
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	cmd := exec.Command(*mkubePath, "create", "cluster", "--name", name, "--progress", "json")
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
		t.Fatalf("create never printed %s:\n%s", word, out.String())
	}
	_ = cmd.Wait() // its exit code is looked at
	return cmd.ProcessState.ExitCode(), out.String()
}

// moments are words of create's JSON progress, from its first to its last second.
var moments = map[string]string{
	"while the nodes boot":       `"step":"nodes","state":"running"`,
	"while etcd starts":          `"step":"etcd","state":"running"`,
	"while the API server waits": `"step":"kube-apiserver","state":"running"`,
	"while CoreDNS starts":       `"step":"coredns","state":"running"`,
}

func TestCtrlCDuringCreateLeavesNothing(t *testing.T) {
	before := leftovers(t)
	for moment, word := range moments {
		t.Run(moment, func(t *testing.T) {
			start := time.Now()
			code, printed := interrupted(t, "e2e-interrupted", word, syscall.SIGINT)
			if code != 130 {
				t.Errorf("exit code %d, want 130\n%s", code, printed)
			}
			if after := leftovers(t); !slices.Equal(before, after) {
				t.Errorf("left behind: %v, before: %v", after, before)
			}
			t.Logf("the whole took %s", time.Since(start).Round(time.Millisecond))
		})
	}
}

func TestDeleteRepairsWhatAKilledCreateLeft(t *testing.T) {
	before := leftovers(t)
	for moment, word := range moments {
		t.Run(moment, func(t *testing.T) {
			interrupted(t, "e2e-killed", word, syscall.SIGKILL)
			remove(t, "e2e-killed")
			if after := leftovers(t); !slices.Equal(before, after) {
				t.Errorf("left behind: %v, before: %v", after, before)
			}
		})
	}
}
