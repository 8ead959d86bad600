//go:build e2e

package e2e

import (
	"context"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/volume"
	"github.com/docker/docker/client"
)

// mine reports whether an object of the daemon is mkube's: it has the label of all objects of
// mkube, or such a name. Other programs may create and remove other objects.
func mine(name string, labels map[string]string) bool {
	_, labelled := labels["dev.mkube.cluster"]
	return labelled || strings.Contains(name, "e2e-") || strings.Contains(name, "mkube")
}

// leftovers returns the names of all objects and entries of mkube in the daemon and the
// kubeconfig.
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

// interrupted is interruptedRun of a create.
func interrupted(t *testing.T, name, word string, signal syscall.Signal) (code int, printed string) {
	t.Helper()
	return interruptedRun(t, word, signal, "create", "cluster", "--name", name, "--progress", "json")
}

// moments are words in create's JSON progress, from the beginning of a create to its end.
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

// TestDeleteRepairsWhatTheEngineMakesLate kills a create while the engine creates objects for it,
// which the engine then finishes.
func TestDeleteRepairsWhatTheEngineMakesLate(t *testing.T) {
	const name = "e2e-late"
	before := leftovers(t)
	for _, kind := range []string{"network", "volume", "container"} {
		t.Run("when there is a "+kind, func(t *testing.T) {
			cmd := exec.Command(*mkubePath, "create", "cluster", "--name", name, "--workers", "4", "--progress", "plain")
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			soon(t, name+" has a "+kind, func() bool {
				return slices.ContainsFunc(labelled(t, daemon, name), func(what string) bool { return strings.HasPrefix(what, kind) })
			})
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			_ = cmd.Wait() // the error reports that it was killed
			remove(t, name)
			settled(t, daemon, "postContainersCreate")
			if after := leftovers(t); !slices.Equal(before, after) {
				t.Errorf("left behind: %v, before: %v", after, before)
			}
		})
	}
}

// labelled returns the objects of a cluster in an engine, or of all clusters if name is "".
func labelled(t *testing.T, engine *client.Client, name string) []string {
	t.Helper()
	label := "dev.mkube.cluster"
	if name != "" {
		label += "=" + name
	}
	f := filters.NewArgs(filters.Arg("label", label))
	containers, err := engine.ContainerList(t.Context(), container.ListOptions{All: true, Filters: f})
	if err != nil {
		t.Fatal(err)
	}
	volumes, err := engine.VolumeList(t.Context(), volume.ListOptions{Filters: f})
	if err != nil {
		t.Fatal(err)
	}
	networks, err := engine.NetworkList(t.Context(), network.ListOptions{Filters: f})
	if err != nil {
		t.Fatal(err)
	}
	var left []string
	for _, s := range containers {
		left = append(left, "container "+s.Names[0])
	}
	for _, v := range volumes.Volumes {
		left = append(left, "volume "+v.Name)
	}
	for _, n := range networks {
		left = append(left, "network "+n.Name)
	}
	return left
}

// soon waits for a state that lasts only some hundredths of a second.
func soon(t *testing.T, what string, ask func() bool) {
	t.Helper()
	for start := time.Now(); !ask(); time.Sleep(5 * time.Millisecond) {
		if time.Since(start) > 10*time.Second {
			t.Fatalf("%s: still not after 10 s", what)
		}
	}
}

// settled waits until the engine does not run a function that serves requests, because the engine
// still carries out the last requests of a killed command.
func settled(t *testing.T, engine *client.Client, handler string) {
	t.Helper()
	eventually(t, "no "+handler+" runs in the engine", func() (bool, string) {
		response, err := engine.HTTPClient().Get("http://docker/debug/pprof/goroutine?debug=2")
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		stacks, err := io.ReadAll(response.Body)
		if err != nil || !strings.Contains(string(stacks), "handlePprof") {
			t.Fatalf("the engine's goroutines: %v\n%s", err, stacks)
		}
		return !strings.Contains(string(stacks), handler), "one runs"
	})
}
