package cli

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mkube/mkube/pkg/bootstrap"
	"github.com/mkube/mkube/pkg/cluster"
	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/provider"
	"github.com/mkube/mkube/pkg/provider/external"
	"github.com/mkube/mkube/pkg/provider/vagrant"
	"github.com/mkube/mkube/pkg/state"
)

// worldOfAll returns a world with these clusters of Docker, whose app also finds the clusters of
// other providers.
func worldOfAll(t *testing.T, clusters ...string) *world {
	t.Helper()
	w := newWorld(t, clusters...)
	w.containers = func() (provider.Provider, error) { return w.fake, nil }
	w.provider = func() (provider.Provider, error) { return w.everyProvider() }
	w.lookPath = func(name string) (string, error) { return filepath.Join(w.home, "bin", name), nil }
	return w
}

// machinesOf creates the folder of a cluster of virtual machines.
func (w *world) machinesOf(t *testing.T, name string) {
	t.Helper()
	w.file(t, ".local/share/mkube/vagrant/"+name+"/cluster.json", `{"cluster": "`+name+`", "machines": [
		{"name": "`+name+`-control-plane", "role": "control-plane", "address": "192.168.56.10", "versions": {"Kubernetes": "v1.37.2"}}]}`, 0o600)
}

// outsideOf creates a cluster of an external provider. The program of the provider is a script.
func (w *world) outsideOf(t *testing.T, provider, name, script string) {
	t.Helper()
	w.file(t, "bin/mkube-provider-"+provider, "#!/bin/sh\nread request\n"+script+"\n", 0o755)
	w.file(t, ".local/share/mkube/providers/"+provider+"/"+name+"/state", "", 0o600)
}

func (w *world) file(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	path = filepath.Join(w.home, path)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	// A process that starts in the meantime would inherit the open program. A program that is open
	// for writing cannot be run.
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}

const outsideNodes = `echo '{"nodes": [{"name": "green-control-plane", "role": "control-plane", "addresses": ["10.1.2.3"], "versions": {"Kubernetes": "v1.36.4"}}]}'`

// TestClustersOfAllProviders checks that each cluster is found by its name, whatever its provider.
func TestClustersOfAllProviders(t *testing.T) {
	t.Parallel()
	w := worldOfAll(t, "blue")
	w.machinesOf(t, "red")
	w.outsideOf(t, "cloud", "green", outsideNodes)
	w.want(t, w.run(t, "get nodes -A -o wide"), OK, `NAME                  ROLE            ADDRESS         VERSION
blue-control-plane    control-plane   10.89.0.2       v1.37.2
blue-worker           worker          10.89.0.3       v1.37.2
green-control-plane   control-plane   10.1.2.3        v1.36.4
red-control-plane     control-plane   192.168.56.10   v1.37.2
`, "")
	w.out.Reset()
	w.want(t, w.run(t, "exec blue-worker -- hostname"), OK, "blue-worker$ hostname\n", "")
}

// TestWithoutDocker checks that a user with only virtual machines gets no message about Docker.
func TestWithoutDocker(t *testing.T) {
	t.Parallel()
	w := worldOfAll(t)
	w.fake.err = errors.New("the Docker daemon does not answer")
	w.want(t, w.run(t, "get clusters"), Failed, "", "Error: the Docker daemon does not answer\n")
	w.err.Reset()
	w.machinesOf(t, "red")
	w.want(t, w.run(t, "get clusters"), OK, "red\n", "")
	w.out.Reset()
	w.creates()
	w.want(t, w.run(t, "delete cluster --name red"), OK, "", "Deleted cluster \"red\".\n")
	if _, err := os.Stat(filepath.Join(w.home, ".local/share/mkube/vagrant/red")); !os.IsNotExist(err) {
		t.Errorf("its folder is left: %v", err)
	}
}

func TestXDGDataHome(t *testing.T) {
	t.Parallel()
	w := worldOfAll(t)
	for value, want := range map[string]string{"": w.home + "/.local/share/mkube", "/data": "/data/mkube", "not/absolute": w.home + "/.local/share/mkube"} {
		w.setenv("XDG_DATA_HOME", value)
		if got := w.dataDir(); got != want {
			t.Errorf("with %q it is %s; want %s", value, got, want)
		}
	}
}

// TestCreateByProvider checks which provider creates the nodes, and their size.
func TestCreateByProvider(t *testing.T) {
	t.Parallel()
	here, err := filepath.Abs("node.tar")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		line, cpus, memory, image string
		made                      func(provider.Provider) bool
	}{
		{"", "", "", "mkube/node:v1.37.2", func(p provider.Provider) bool { return p == nil }},
		{"--provider docker --cpus 2", "2", "", "mkube/node:v1.37.2", func(p provider.Provider) bool { return p == nil }},
		{"--provider vagrant --cpus 3 --memory 4096 --box my/box --vagrant-provider libvirt", "3", "4096Mi", "mkube/node:v1.37.2", is[*vagrant.Provider]},
		{"--provider vagrant --image node.tar", "", "", here, is[*vagrant.Provider]},
		{"--provider cloud", "", "", "mkube/node:v1.37.2", is[*external.Provider]},
	} {
		t.Run(tt.line, func(t *testing.T) {
			t.Parallel()
			w := worldOfAll(t)
			var cfg config.Cluster
			var p provider.Provider
			w.create = func(_ context.Context, made provider.Provider, c config.Cluster, o bootstrap.Options) (*cluster.Cluster, error) {
				cfg, p = c, made.(*multiProvider).chosen
				emit(o)
				return nil, nil
			}
			if code := w.run(t, "create cluster "+tt.line); code != OK {
				t.Fatalf("exit code %d: %s", code, w.err.String())
			}
			n := cfg.Nodes[0]
			if n.Resources.CPUs != tt.cpus || n.Resources.Memory != tt.memory || n.Image != tt.image {
				t.Errorf("a node of %q has %+v", n.Image, n.Resources)
			}
			if !tt.made(p) {
				t.Errorf("it is made by %T", p)
			}
		})
	}
}

func is[T any](p provider.Provider) bool {
	_, ok := p.(T)
	return ok
}

func TestCreateByWrongProvider(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"--provider vagrnt":               `unknown provider "vagrnt": did you mean "vagrant"?`,
		"--provider cloud":                `unknown provider "cloud": program mkube-provider-cloud is not on your PATH; the built-in providers are docker and vagrant`,
		"--provider ../x":                 `unknown provider "../x": use docker, vagrant, or the NAME of a program mkube-provider-NAME`,
		"--box a/b":                       "--vagrant-provider and --box require --provider vagrant",
		"--cpus -1":                       "--cpus and --memory must not be negative, but are -1 and 0",
		"--provider vagrant --memory 100": "nodes[0].resources.memory must be at least 1Gi, not \"100Mi\"",
	} {
		t.Run(line, func(t *testing.T) {
			t.Parallel()
			w := worldOfAll(t)
			w.lookPath = newWorld(t).lookPath
			code := w.run(t, "create cluster "+line)
			if code != Usage || strings.TrimSpace(w.err.String()) != "Error: "+want {
				t.Errorf("exit code %d, %s", code, w.err.String())
			}
		})
	}
}

// power records what is stopped and started.
type power struct {
	*fakeProvider
	calls []string
}

func (p *power) Stop(_ context.Context, cluster string) error {
	p.calls = append(p.calls, "stop "+cluster)
	return nil
}

func (p *power) Start(_ context.Context, cluster string, nodes ...string) error {
	p.calls = append(p.calls, strings.Join(append([]string{"start", cluster}, nodes...), " "))
	return nil
}

// keepsState makes the control plane of a cluster keep the files of package state.
func (w *world) keepsState(t *testing.T, name string) {
	t.Helper()
	keys, err := cluster.NewPKI(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	nodes := w.fake.clusters[name]
	cfg := config.Cluster{Name: name, Nodes: []config.Node{{}, {Role: config.Worker}}}
	files, err := state.Files(cluster.New(cfg.Default(), nodes, keys))
	if err != nil {
		t.Fatal(err)
	}
	nodes[0].(*fakeNode).script["tar -C / -cf - etc/mkube"] = func(cmd provider.Cmd) error { return provider.Archive(cmd.Stdout, files) }
}

func TestStopAndStart(t *testing.T) {
	t.Parallel()
	w := worldOfAll(t, "blue")
	w.keepsState(t, "blue")
	p := &power{fakeProvider: w.fake}
	w.containers = func() (provider.Provider, error) { return p, nil }
	w.want(t, w.run(t, "stop cluster --name blue"), OK, "", "Stopped cluster \"blue\": mkube start cluster --name blue starts it again.\n")
	w.err.Reset()
	if code := w.run(t, "start cluster --name blue --wait 0"); code != OK || !strings.Contains(w.err.String(), `Cluster "blue" is up after `) {
		t.Errorf("exit code %d, %s", code, w.err.String())
	}
	if want := []string{"stop blue", "start blue blue-control-plane", "start blue"}; !slices.Equal(p.calls, want) {
		t.Errorf("it did %v; want %v", p.calls, want)
	}
	w.err.Reset()
	w.want(t, w.run(t, "start cluster --name red --wait -1s"), Usage, "", "Error: --wait must not be negative: -1s\n")
	for command, flag := range map[string]string{
		"add node": "wait", "delete node x": "drain", "run kube-scheduler": "wait", "stage next": "wait", "stage check": "wait",
	} {
		w.err.Reset()
		w.want(t, w.run(t, command+" --"+flag+" -1s"), Usage, "", "Error: --"+flag+" must not be negative: -1s\n")
	}
	w.err.Reset()
	w.want(t, w.run(t, "stop cluster --name red"), Failed, "",
		"Error: cluster \"red\" does not exist: mkube create cluster --name red creates it; existing clusters: blue\n")
}

// TestStopWhatCannot checks a provider that does not support the request.
func TestStopWhatCannot(t *testing.T) {
	t.Parallel()
	w := worldOfAll(t, "blue")
	w.want(t, w.run(t, "stop cluster --name blue"), Failed, "", "Error: the provider of cluster \"blue\" cannot stop its nodes\n")
}
