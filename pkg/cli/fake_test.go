package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mkube/mkube/pkg/bootstrap"
	"github.com/mkube/mkube/pkg/cluster"
	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/provider"
	"github.com/mkube/mkube/pkg/state"
)

// fakeProvider is a provider with clusters in memory.
type fakeProvider struct {
	provider.Provider // nil, because no test calls its other methods
	mu                sync.Mutex
	clusters          map[string][]provider.Node
	err               error // returned by every call
	deleteErr         error
}

func (p *fakeProvider) Clusters(context.Context) ([]string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Sorted(maps.Keys(p.clusters)), p.err
}

func (p *fakeProvider) Nodes(_ context.Context, cluster string) ([]provider.Node, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.clusters[cluster], p.err
}

func (p *fakeProvider) Delete(_ context.Context, cluster, _ string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.deleteErr != nil {
		return p.deleteErr
	}
	delete(p.clusters, cluster)
	return p.err
}

// fakeNode answers commands with a script: a map from the beginning of the joined arguments to the
// answer. It prints any other command, and its input.
type fakeNode struct {
	name   string
	role   config.Role
	ip     string
	script map[string]func(provider.Cmd) error
}

func (n *fakeNode) Name() string      { return n.name }
func (n *fakeNode) Role() config.Role { return n.role }
func (n *fakeNode) IP() netip.Addr    { return netip.MustParseAddr(n.ip) }
func (n *fakeNode) IPs() []netip.Addr { return []netip.Addr{n.IP()} }
func (n *fakeNode) Versions() provider.Versions {
	return provider.Versions{Kubernetes: "v1.37.2"}
}

func (n *fakeNode) Endpoint(_ context.Context, port int) (string, error) {
	return fmt.Sprintf("127.0.0.1:%d", 30000+port), nil
}

func (n *fakeNode) Logs(_ context.Context, w io.Writer) error {
	_, err := io.WriteString(w, "console of "+n.name+"\n")
	return err
}

func (n *fakeNode) Run(_ context.Context, cmd provider.Cmd) error {
	line := strings.Join(cmd.Args, " ")
	for prefix, f := range n.script {
		if strings.HasPrefix(line, prefix) {
			return f(cmd)
		}
	}
	if cmd.Stdout == nil {
		cmd.Stdout = io.Discard
	}
	if cmd.Args[0] == "flock" { // every command gets the lock
		fmt.Fprintln(cmd.Stdout, "held")
		_, err := io.Copy(io.Discard, cmd.Stdin)
		return err
	}
	fmt.Fprintf(cmd.Stdout, "%s$ %s\n", n.name, strings.Join(append(cmd.Env, line), " "))
	if cmd.Stdin != nil {
		_, err := io.Copy(cmd.Stdout, cmd.Stdin)
		return err
	}
	return nil
}

// says returns an answer that prints text.
func says(text string) func(provider.Cmd) error {
	return func(cmd provider.Cmd) error {
		_, err := io.WriteString(cmd.Stdout, text)
		return err
	}
}

// fails returns an answer that fails.
func fails(code int, stderr string) func(provider.Cmd) error {
	return func(cmd provider.Cmd) error {
		if cmd.Stderr != nil {
			fmt.Fprintln(cmd.Stderr, stderr)
			stderr = ""
		}
		return &provider.ExitError{Node: "a-node", Args: cmd.Args, Code: code, Stderr: stderr}
	}
}

// listImages is the beginning of the command that lists the platform and the images of a node, and
// nodePlatform the platform in its output.
const (
	listImages   = "sh -c ctr plugins list"
	nodePlatform = "io.containerd.snapshotter.v1 overlayfs linux/amd64 ok\n"
)

// nodesOf returns the nodes of a cluster with a control plane and a worker.
func nodesOf(cluster string) []provider.Node {
	return []provider.Node{
		&fakeNode{name: cluster + "-control-plane", role: config.ControlPlane, ip: "10.89.0.2", script: map[string]func(provider.Cmd) error{
			listImages: says(nodePlatform + "docker.io/library/web:1 manifest sha256:m\nsha256:1 manifest sha256:m\n"),
		}},
		&fakeNode{name: cluster + "-worker", role: config.Worker, ip: "10.89.0.3", script: map[string]func(provider.Cmd) error{
			listImages: says(nodePlatform),
		}},
	}
}

// world is the app of one command.
type world struct {
	app
	fake     *fakeProvider
	out, err bytes.Buffer
}

// newWorld returns a world with clusters of these names, without kubectl and with an empty
// environment.
func newWorld(t *testing.T, clusters ...string) *world {
	t.Helper()
	w := &world{fake: &fakeProvider{clusters: map[string][]provider.Node{}}}
	for _, name := range clusters {
		w.fake.clusters[name] = nodesOf(name)
	}
	w.app = app{
		in: strings.NewReader(""), out: &w.out, err: &w.err,
		getenv:   func(string) string { return "" },
		home:     t.TempDir(),
		now:      time.Now,
		lookPath: func(string) (string, error) { return "", exec.ErrNotFound },
		provider: func() (provider.Provider, error) { return w.fake, nil },
		open:     state.Open,
		engine:   func() (engine, error) { return nil, errors.New("no engine here") },
		create: func(context.Context, provider.Provider, config.Cluster, bootstrap.Options) (*cluster.Cluster, error) {
			return nil, errors.New("no cluster is made here")
		},
	}
	return w
}

// setenv sets an environment variable.
func (w *world) setenv(name, value string) {
	before := w.getenv
	w.getenv = func(n string) string {
		if n == name {
			return value
		}
		return before(n)
	}
}

// run runs a command line. Blanks separate its arguments.
func (w *world) run(t *testing.T, line string) Code {
	t.Helper()
	return w.main(t.Context(), strings.Fields(line))
}

// want checks the exit code and the exact output.
func (w *world) want(t *testing.T, got, code Code, out, err string) {
	t.Helper()
	if got != code {
		t.Errorf("exit code %d, want %d", got, code)
	}
	if w.out.String() != out {
		t.Errorf("standard output is\n%swant\n%s", w.out.String(), out)
	}
	if w.err.String() != err {
		t.Errorf("standard error is\n%swant\n%s", w.err.String(), err)
	}
}
