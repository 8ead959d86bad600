package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mkube/mkube/internal/testing/fake"
	"github.com/mkube/mkube/pkg/bootstrap"
	"github.com/mkube/mkube/pkg/cluster"
	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/progress"
	"github.com/mkube/mkube/pkg/provider"
)

// asked is the configuration and the options of the last create.
type asked struct {
	cfg     config.Cluster
	options bootstrap.Options
}

// creates makes the world's create succeed, after one step of two seconds.
func (w *world) creates() *asked {
	a := new(asked)
	w.create = func(_ context.Context, _ provider.Provider, cfg config.Cluster, o bootstrap.Options) (*cluster.Cluster, error) {
		a.cfg, a.options = cfg, o
		emit(o)
		return nil, nil
	}
	return a
}

// emit emits the events of one step of two seconds.
func emit(o bootstrap.Options) {
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	o.On(progress.Event{Time: start, Step: "nodes", State: progress.Running})
	o.On(progress.Event{Time: start.Add(2 * time.Second), Step: "nodes", State: progress.Done, Elapsed: 2 * time.Second})
}

// createFails makes the world's create fail after its first step. The clusters that it leaves are
// those of the world.
func (w *world) createFails(err error) {
	w.create = func(_ context.Context, _ provider.Provider, _ config.Cluster, o bootstrap.Options) (*cluster.Cluster, error) {
		emit(o)
		return nil, err
	}
}

const steps = `[ 0.0s] nodes: starting
[ 2.0s] nodes: ready after 2.0s
`

func TestCreateOptions(t *testing.T) {
	t.Parallel()
	const header = "apiVersion: mkube.dev/v1alpha1\nkind: Cluster\n"
	for _, tt := range []struct {
		name, line, file, env string
		cluster, image        string
		wait                  time.Duration
		retain, stay          bool
	}{
		{"defaults", "", "", "", "mkube", "mkube/node:v1.37.2", 5 * time.Minute, false, false},
		{"flags", "--name red --image my/node:1 --wait 90s --retain --no-switch-context", "", "", "red", "my/node:1", 90 * time.Second, true, true},
		{"version", "--kubernetes-version v1.36.1 --wait 0", "", "", "mkube", "mkube/node:v1.36.1", 0, false, false},
		{"version without a v", "--kubernetes-version 1.36.1", "", "", "mkube", "mkube/node:v1.36.1", 5 * time.Minute, false, false},
		{"environment", "", "", "green", "green", "mkube/node:v1.37.2", 5 * time.Minute, false, false},
		{"file before environment", "--config -", header + "name: blue\n", "green", "blue", "mkube/node:v1.37.2", 5 * time.Minute, false, false},
		{"flag before file", "--config - --name red", header + "name: blue\n", "green", "red", "mkube/node:v1.37.2", 5 * time.Minute, false, false},
		{"image of the file first", "--config - --image my/node:1", header + "nodes: [{image: its/own:2}]\n", "", "mkube", "its/own:2", 5 * time.Minute, false, false},
		{"image for the file", "--config - --image my/node:1", header + "nodes: [{role: control-plane}]\n", "", "mkube", "my/node:1", 5 * time.Minute, false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.in = strings.NewReader(tt.file)
			w.setenv("MKUBE_CLUSTER_NAME", tt.env)
			a := w.creates()
			if code := w.run(t, "create cluster "+tt.line); code != OK || w.out.Len() > 0 {
				t.Fatalf("exit code %d: %s%s", code, w.out.String(), w.err.String())
			}
			if a.cfg.Name != tt.cluster || a.cfg.Nodes[0].Image != tt.image {
				t.Errorf("cluster %q of %q, want %q of %q", a.cfg.Name, a.cfg.Nodes[0].Image, tt.cluster, tt.image)
			}
			if err := a.cfg.Validate(); err != nil {
				t.Errorf("the configuration is not valid: %v", err)
			}
			if o := a.options; o.Wait != tt.wait || o.Retain != tt.retain || o.SwitchContext == tt.stay {
				t.Errorf("got %+v", o)
			}
			if want := []string{filepath.Join(w.home, ".kube", "config")}; !slices.Equal(a.options.Kubeconfig, want) {
				t.Errorf("kubeconfigs %v, want %v", a.options.Kubeconfig, want)
			}
		})
	}
}

// TestCreateAddons checks that the flag adds to the addons of the file, without duplicates.
func TestCreateAddons(t *testing.T) {
	t.Parallel()
	const header = "apiVersion: mkube.dev/v1alpha1\nkind: Cluster\n"
	for _, tt := range []struct{ line, file string }{
		{"--addon metrics-server", ""},
		{"--addon metrics-server --addon metrics-server", ""},
		{"--config -", header + "addons: [metrics-server]\n"},
		{"--config - --addon metrics-server", header + "addons: [metrics-server]\n"},
	} {
		w := newWorld(t)
		w.in = strings.NewReader(tt.file)
		a := w.creates()
		if code := w.run(t, "create cluster "+tt.line); code != OK || !slices.Equal(a.cfg.Addons, []string{"metrics-server"}) {
			t.Errorf("%s: exit code %d, addons %q: %s", tt.line, code, a.cfg.Addons, w.err.String())
		}
	}
}

// TestCreateTellsAllMistakes checks that one error reports all mistakes in flags and file, and
// that nothing is created.
func TestCreateTellsAllMistakes(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ line, file, want string }{
		{"--name Red --wait -1s --image a --kubernetes-version latest", "", `Error: --kubernetes-version must be a release such as v1.37.2, not "latest"
Error: --image and --kubernetes-version cannot be combined: the image determines the version
Error: --wait must not be negative: -1s
Error: name must be lower-case letters, digits and inner hyphens, as in host names, not "Red"
`},
		{"--config - --wait -1s", "apiVersion: mkube.dev/v1alpha1\nkind: Cluster\nnaem: blue\nnodes: [{role: wroker}]\n", `Error: --wait must not be negative: -1s
Error: standard input:3: unknown field "naem": did you mean "name"?
Error: standard input:4: nodes[0].role must be "control-plane", "worker" or "external-load-balancer", not "wroker": did you mean "worker"?
`},
		{"--addon metric-server --addon dashboard", "", `Error: addons[0] must be an addon, not "metric-server": did you mean "metrics-server"?
Error: addons[1] must be an addon, not "dashboard": the addons are metrics-server
`},
		{"--config -", "apiVersion: mkube.dev/v1alpha1\nkind: Cluster\nextraFiles: {etcd: [{hostPath: no/such, path: /a}, {hostPath: ., path: /b}]}\n", `Error: extraFiles.etcd[0].hostPath "no/such" does not exist on this host
Error: extraFiles.etcd[1].hostPath "." is not a regular file
`},
		{"--config - --wait 0", "apiVersion: mkube.dev/v1alpha1\nkind: Cluster\nextraArgs: {kubelet: {no-flag: 1}, metrics-server: {v: 2}}\n", `Error: standard input:3: extraArgs.kubelet.no-flag is not a flag of kubelet: remove it
`},
		{"--config - --image my/node:1", "apiVersion: mkube.dev/v1alpha1\nkind: Cluster\nextraArgs: {kubelet: {no-flag: 1}, metrics-server: {v: 2}}\n", `Error: extraArgs.metrics-server has no effect: addons does not list it
`},
		{"--config no/such.yaml", "", `Error: --config: open no/such.yaml: no such file or directory
`},
		{"--config - --workers 2", "apiVersion: mkube.dev/v1alpha1\nkind: Cluster\nnodes: [{}, {role: worker}]\n", `Error: --control-planes and --workers cannot be combined with a configuration file that lists nodes: change the list, or remove it
`},
		{"--control-planes 0 --wait -1s", "", `Error: --wait must not be negative: -1s
Error: --control-planes must be at least 1, not 0
`},
		{"--config - --control-planes 1 --workers 0", "apiVersion: mkube.dev/v1alpha1\nkind: Cluster\nnodes: [{role: control-plane}]\n", `Error: --control-planes and --workers cannot be combined with a configuration file that lists nodes: change the list, or remove it
`},
		{"--workers -1", "", `Error: --workers must not be negative: -1
`},
	} {
		t.Run(tt.line, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.in = strings.NewReader(tt.file)
			w.want(t, w.run(t, "create cluster "+tt.line), Usage, "", tt.want)
		})
	}
}

// TestCreateSays checks the suggested next command, with and without a kubectl.
func TestCreateSays(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ line, env, want string }{
		{"", "kubectl", "is ready after 0.0 s. Try it:\n\n  kubectl cluster-info --context mkube-mkube\n"},
		{"--kubeconfig k.yaml", "kubectl", "is ready after 0.0 s. Try it:\n\n  kubectl cluster-info --context mkube-mkube --kubeconfig k.yaml\n"},
		{"", "", "is ready after 0.0 s. Try it:\n\n  mkube kubectl -- get pods -A\n"},
		{"--name red", "", "is ready after 0.0 s. Try it:\n\n  mkube kubectl --name red -- get pods -A\n"},
		{"--wait 0", "", "has an API server after 0.0 s; the other components are still starting. Try it:\n\n  mkube kubectl -- get pods -A\n"},
	} {
		t.Run(tt.line+tt.env, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.creates()
			if tt.env != "" {
				w.lookPath = func(file string) (string, error) { return "/bin/" + file, nil }
			}
			if code := w.run(t, "create cluster "+tt.line); code != OK || w.out.Len() > 0 {
				t.Errorf("exit code %d, %q", code, w.out.String())
			}
			got, found := strings.CutPrefix(w.err.String(), steps)
			if !found || !strings.HasPrefix(got, "\n  STEP") || !strings.HasSuffix(got, tt.want) {
				t.Errorf("got\n%s", w.err.String())
			}
		})
	}
}

func TestCreateFails(t *testing.T) {
	t.Parallel()
	const late = "Error: etcd on x: not ready: no answer\nthe end of its log:\npanic\n"
	lateErr := errors.New("etcd on x: not ready: no answer\nthe end of its log:\npanic")
	for _, tt := range []struct {
		name, line string
		left       []string
		broken     error
		want       string
	}{
		{"clean", "", nil, nil, steps + late + "Nothing of cluster \"mkube\" is left; --retain keeps the nodes of a cluster that does not come up.\n"},
		{"others are left", "", []string{"red"}, nil, steps + late + "Nothing of cluster \"mkube\" is left; --retain keeps the nodes of a cluster that does not come up.\n"},
		{"something is left", "", []string{"mkube"}, nil, steps + late + "Parts of cluster \"mkube\" are left: mkube delete cluster --name mkube deletes them.\n"},
		{"unknown", "", nil, errors.New("no daemon"), steps + late + "Cannot list what is left of cluster \"mkube\" (no daemon): mkube delete cluster --name mkube deletes it.\n"},
		{"retained", "--retain", []string{"mkube"}, nil, steps + late + "The nodes of cluster \"mkube\" are kept: mkube export logs --name mkube collects their logs, mkube delete cluster --name mkube deletes them.\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, tt.left...)
			w.fake.err = tt.broken
			w.createFails(lateErr)
			w.want(t, w.run(t, "create cluster "+tt.line), Failed, "", tt.want)
		})
	}
}

// TestCreateFailsAtOnce checks that the message does not suggest --retain if no step was done, and
// that a log is printed only once.
func TestCreateFailsAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create = func(_ context.Context, _ provider.Provider, _ config.Cluster, o bootstrap.Options) (*cluster.Cluster, error) {
		start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
		o.On(progress.Event{Time: start, Step: "nodes", State: progress.Running})
		o.On(progress.Event{Time: start, Step: "nodes", State: progress.Failed, Detail: "no image\nlog"})
		return nil, errors.New("no image\nlog")
	}
	w.want(t, w.run(t, "create cluster"), Failed, "", `[ 0.0s] nodes: starting
[ 0.0s] nodes: failed after 0.0s: no image
Error: no image
log
Nothing of cluster "mkube" is left.
`)
}

// TestCreateRefused checks that the message says nothing about leftovers if no step began.
func TestCreateRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "mkube")
	w.create = func(context.Context, provider.Provider, config.Cluster, bootstrap.Options) (*cluster.Cluster, error) {
		return nil, errors.Join(errors.New("port 80 is taken"), errors.New("the disk is full"))
	}
	w.want(t, w.run(t, "create cluster"), Failed, "", "Error: port 80 is taken\nError: the disk is full\n")
}

func TestCreateInterrupted(t *testing.T) {
	t.Parallel()
	const cleaning = "Interrupted: cleaning up. To stop the cleanup, press Ctrl-C again; mkube delete cluster finishes it.\n"
	for _, tt := range []struct {
		name, line string
		left       []string
		after      error
		want       string
	}{
		{"clean", "", nil, nil, cleaning + "Nothing of cluster \"mkube\" is left.\n"},
		{"not clean", "", []string{"mkube"}, errors.New("cleaning up: no"), cleaning + "Error: cleaning up: no\nParts of cluster \"mkube\" are left: mkube delete cluster --name mkube deletes them.\n"},
		{"retained", "--retain", []string{"mkube"}, nil, "Interrupted.\nThe nodes of cluster \"mkube\" are kept: mkube export logs --name mkube collects their logs, mkube delete cluster --name mkube deletes them.\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, tt.left...)
			ctx, interrupt := context.WithCancel(t.Context())
			w.create = func(ctx context.Context, _ provider.Provider, _ config.Cluster, o bootstrap.Options) (*cluster.Cluster, error) {
				emit(o)
				interrupt()
				return nil, errors.Join(fmt.Errorf("booting: %w", ctx.Err()), tt.after)
			}
			code := w.main(ctx, strings.Fields("create cluster "+tt.line))
			w.want(t, code, Interrupted, "", steps+tt.want)
		})
	}
}

// TestCreateJSON checks that the output for programs contains only one JSON object per line, also
// for errors.
func TestCreateJSON(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, line string
		err        error
		code       Code
		messages   []string
	}{
		{"done", "", nil, OK, nil},
		{"failed", "", errors.New("late\nlog"), Failed, []string{"Error: late", "log", `Nothing of cluster "mkube" is left; --retain keeps the nodes of a cluster that does not come up.`}},
		{"wrong", "--name Red", nil, Usage, []string{`Error: name must be lower-case letters, digits and inner hyphens, as in host names, not "Red"`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.createFails(tt.err)
			if code := w.run(t, "create cluster --progress json "+tt.line); code != tt.code || w.out.Len() > 0 {
				t.Errorf("exit code %d, %q", code, w.out.String())
			}
			var messages []string
			for line := range strings.Lines(w.err.String()) {
				var m struct{ Step, Message string }
				if err := json.Unmarshal([]byte(line), &m); err != nil {
					t.Errorf("no JSON: %q", line)
				}
				if m.Step == "" {
					messages = append(messages, m.Message)
				}
			}
			if !slices.Equal(messages, tt.messages) {
				t.Errorf("messages %q, want %q", messages, tt.messages)
			}
		})
	}
}

func TestOnInterrupt(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	called := false
	done := onInterrupt(ctx, func() { called = true })
	done()
	cancel()
	if called {
		t.Error("called after all was done")
	}
	done = onInterrupt(ctx, func() { called = true })
	done()
	if !called {
		t.Error("not called, though interrupted")
	}
}

func TestNextIsForThisCluster(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.setenv("MKUBE_CLUSTER_NAME", "red")
	for name, want := range map[string]string{
		"red":   "mkube kubectl -- get pods -A",
		"mkube": "mkube kubectl --name mkube -- get pods -A",
	} {
		if got := w.next(name, ""); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// scripted is a provider whose plan has one node.
type scripted struct{ *fakeProvider }

type scriptedNode struct{ provider.Node }

func (n scriptedNode) Command(cmd provider.Cmd) []string {
	return append([]string{"on", n.Name()}, cmd.Args...)
}

func (scripted) Check(context.Context, config.Cluster) []provider.Problem {
	return provider.Refuse(provider.CheckPort, errors.New("port 80 is taken"))
}

func (scripted) Plan(context.Context, config.Cluster) (provider.Plan, error) {
	return provider.Plan{Nodes: []provider.Node{scriptedNode{nodesOf("mkube")[0]}}, Put: func(provider.Node) string { return "put" }}, nil
}

// TestDryRunOnATerminal checks that a terminal gets no private keys, but a file does.
func TestDryRunOnATerminal(t *testing.T) {
	t.Parallel()
	run := func(out io.Writer) string {
		w := newWorld(t)
		w.provider = func() (provider.Provider, error) { return scripted{w.fake}, nil }
		if out != nil {
			w.app.out = out
		}
		code := w.run(t, "create cluster --dry-run")
		w.want(t, code, OK, w.out.String(), "Warning: create cluster would fail: port 80 is taken\n")
		return w.out.String()
	}
	if script := run(nil); !strings.Contains(script, "This script contains the cluster's private keys") || !strings.Contains(script, "| base64 -d | gunzip | put\n") {
		t.Errorf("the script for a file is\n%.300s", script)
	}
	master, slave, err := fake.OpenTerminal()
	if err != nil {
		t.Fatal(err)
	}
	defer master.Close()
	read := make(chan string)
	go func() {
		all, _ := io.ReadAll(master) // a terminal ends with EIO
		read <- string(all)
	}()
	run(slave)
	slave.Close()
	script := <-read
	if !strings.Contains(script, "The cluster's private keys are left out on a terminal") || !strings.Contains(script, "# (an archive of these files) | put\r\n") {
		t.Errorf("the script for a terminal is\n%.300s", script)
	}
}
