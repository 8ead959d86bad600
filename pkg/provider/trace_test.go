package provider_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/mkube/mkube/internal/testing/fake"
	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/provider"
)

// entries records each Write.
type entries struct {
	mu   sync.Mutex
	list []string
}

func (e *entries) Write(p []byte) (int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.list = append(e.list, string(p))
	return len(p), nil
}

// hostNode is a node that the host can reach with a program called onnode.
type hostNode struct{ provider.Node }

func (n hostNode) Command(cmd provider.Cmd) []string {
	return slices.Concat([]string{"onnode", n.Name()}, cmd.Args)
}

// hostProvider returns the nodes of another provider as hostNodes.
type hostProvider struct{ provider.Provider }

func (p hostProvider) Nodes(ctx context.Context, cluster string) ([]provider.Node, error) {
	nodes, err := p.Provider.Nodes(ctx, cluster)
	for i, n := range nodes {
		nodes[i] = hostNode{n}
	}
	return nodes, err
}

func noSeed([]provider.Node) (map[string][]provider.File, error) { return nil, nil }

// tracedNode returns a node of a fake provider under Trace.
func tracedNode(t *testing.T, w io.Writer) provider.Node {
	t.Helper()
	p := &fake.Provider{Answer: func(args []string) (string, int, bool) { return "", 0, true }}
	if _, err := p.Create(t.Context(), config.Cluster{}.Default(), "", noSeed); err != nil {
		t.Fatal(err)
	}
	nodes, err := provider.Trace(hostProvider{p}, w).Nodes(t.Context(), "mkube")
	if err != nil {
		t.Fatal(err)
	}
	return nodes[0]
}

func archive(t *testing.T, files ...provider.File) *bytes.Buffer {
	t.Helper()
	var b bytes.Buffer
	if err := provider.Archive(&b, files); err != nil {
		t.Fatal(err)
	}
	return &b
}

func TestTraceRun(t *testing.T) {
	t.Parallel()
	tar := []string{"tar", "-C", "/", "-xf", "-"}
	const tarLine = "onnode mkube-control-plane tar -C / -xf -\n"
	for name, test := range map[string]struct {
		cmd  provider.Cmd
		want string
	}{
		"plain": {
			provider.Cmd{Args: []string{"systemctl", "start", "kubelet.service"}},
			"onnode mkube-control-plane systemctl start kubelet.service\n",
		},
		"quoted": {
			provider.Cmd{Args: []string{"sh", "-c", "echo \"$1\"; exit", "it's", ""}},
			`onnode mkube-control-plane sh -c 'echo "$1"; exit' 'it'"'"'s' ''` + "\n",
		},
		"text": {
			provider.Cmd{Args: []string{"kubectl", "apply", "-f", "-"}, Stdin: strings.NewReader("kind: Pod\nname: 'a'\n")},
			"printf %s 'kind: Pod\nname: '\"'\"'a'\"'\"'\n' | onnode mkube-control-plane kubectl apply -f -\n",
		},
		"no input at all": {
			provider.Cmd{Args: []string{"cat"}, Stdin: strings.NewReader("")},
			"printf %s '' | onnode mkube-control-plane cat\n",
		},
		"a stream": {
			provider.Cmd{Args: []string{"sh", "-c", "cat\nid"}, Stdin: io.MultiReader(strings.NewReader("x"))},
			"# its input is a stream\n# onnode mkube-control-plane sh -c 'cat\n# id'\n",
		},
		"a secret in text": {
			provider.Cmd{Args: []string{"cat"}, Stdin: strings.NewReader("-----BEGIN EC PRIVATE KEY-----\n")},
			"# its input is 31 bytes\n# onnode mkube-control-plane cat\n",
		},
		"a Secret": {
			provider.Cmd{Args: []string{"kubectl", "apply", "-f", "-"}, Stdin: strings.NewReader("kind: Secret\ndata: {password: eA==}\n")},
			"# its input is 36 bytes\n# onnode mkube-control-plane kubectl apply -f -\n",
		},
		"secrets in arguments": {
			provider.Cmd{Args: []string{"kubectl", "--token=a b", "--password", "c d", "-----BEGIN PRIVATE KEY-----\nAAAA"}},
			"# without its secrets: onnode mkube-control-plane kubectl --token=REDACTED --password REDACTED 'REDACTED\n# '\n",
		},
		"no text": {
			provider.Cmd{Args: []string{"cat"}, Stdin: strings.NewReader("\xff\x00")},
			"# its input is 2 bytes\n# onnode mkube-control-plane cat\n",
		},
		"a secret file": {
			provider.Cmd{Args: tar, Stdin: archive(t, provider.File{Path: "/etc/a", Data: []byte("x")}, provider.File{Path: "/etc/b", Data: []byte("y"), Mode: 0o600})},
			"# 2 files: /etc/a (0644), /etc/b (0600)\n# " + tarLine,
		},
		"a kubeconfig that all may read": {
			provider.Cmd{Args: tar, Stdin: archive(t, provider.File{Path: "/etc/a", Data: []byte("client-key-data: eA==")})},
			"# 1 file: /etc/a (0644)\n# " + tarLine,
		},
		"a large file": {
			provider.Cmd{Args: tar, Stdin: archive(t, provider.File{Path: "/a", Data: noise(5000)})},
			"# 1 file: /a (0644)\n# " + tarLine,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var e entries
			if err := tracedNode(t, &e).Run(t.Context(), test.cmd); err != nil {
				t.Fatal(err)
			}
			if len(e.list) != 1 || e.list[0] != test.want {
				t.Errorf("wrote %q; want one entry %q", e.list, test.want)
			}
		})
	}
}

// noise returns data that compression does not shorten.
func noise(n int) []byte {
	data := make([]byte, n)
	x := uint32(1)
	for i := range data {
		x = x*1664525 + 1013904223
		data[i] = byte(x >> 24)
	}
	return data
}

// TestTraceCanBePasted feeds the trace to a real shell, in which onnode is a program that runs the
// command on this host.
func TestTraceCanBePasted(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	onnode := "#!/bin/sh\nshift\nexec \"$@\"\n"
	if err := os.WriteFile(filepath.Join(dir, "onnode"), []byte(onnode), 0o755); err != nil {
		t.Fatal(err)
	}
	var e entries
	n := tracedNode(t, &e)
	for _, cmd := range []provider.Cmd{
		{Args: []string{"printf", "%s|", "a b", "$HOME", "it's", "new\nline", ""}},
		{Args: []string{"tar", "-tf", "-"}, Stdin: archive(t, provider.File{Path: "/etc/x/y", Data: []byte("z")})},
		{Args: []string{"cat"}, Stdin: strings.NewReader("in\n%s\\n'\n")},
		{Args: []string{"cat"}, Stdin: io.MultiReader(strings.NewReader("never shown"))},
	} {
		// The fake node's tar does not list archives; its error does not matter here.
		_ = n.Run(t.Context(), cmd)
	}
	shell := exec.CommandContext(t.Context(), "sh", "-eu")
	shell.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"))
	shell.Stdin = strings.NewReader(strings.Join(e.list, ""))
	out, err := shell.CombinedOutput()
	want := "a b|$HOME|it's|new\nline||etc/\netc/x/\netc/x/y\nin\n%s\\n'\n"
	if string(out) != want || err != nil {
		t.Errorf("the shell says %q, %v; want %q\nit was told:\n%s", out, err, want, strings.Join(e.list, ""))
	}
}

func TestTraceWithoutCommand(t *testing.T) {
	t.Parallel()
	var e entries
	p := provider.Trace(&fake.Provider{}, &e)
	ctx := t.Context()
	nodes, err := p.Create(ctx, config.Cluster{}.Default(), "", func(nodes []provider.Node) (map[string][]provider.File, error) {
		return map[string][]provider.File{nodes[0].Name(): {{Path: "/a", Mode: 0o600}, {Path: "/b"}}}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	in := strings.NewReader("input\n")
	out := new(strings.Builder)
	if err := nodes[0].Run(ctx, provider.Cmd{Args: []string{"cat"}, Env: []string{"A=b c"}, Stdin: in, Stdout: out}); err != nil || out.String() != "input\n" {
		t.Errorf("cat gave %q, %v: the traced command lost its input", out, err)
	}
	err = nodes[0].Run(ctx, provider.Cmd{Args: []string{"missing"}, Stdin: io.MultiReader()})
	if provider.ExitCode(err) != 127 {
		t.Errorf("Run = %v; want the node's own error", err)
	}
	if err := p.Delete(ctx, "mkube", ""); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Create(ctx, config.Cluster{Name: "bare"}.Default(), "", noSeed); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"# create the nodes of cluster mkube: mkube-control-plane\n",
		"# on mkube-control-plane before it boots: 2 files: /a (0600), /b (0644)\n",
		"# on mkube-control-plane: printf %s 'input\n# ' | 'A=b c' cat\n",
		"# its input is a stream\n# on mkube-control-plane: missing\n",
		"# delete cluster mkube\n",
		"# create the nodes of cluster bare: bare-control-plane\n",
		"# on bare-control-plane before it boots: no files\n",
	}
	if !slices.Equal(e.list, want) {
		t.Errorf("wrote %q; want %q", e.list, want)
	}
}

// TestTraceOfAddedNodes checks that the nodes of Add are traced: the one that its seed gets, and the
// one that it returns.
func TestTraceOfAddedNodes(t *testing.T) {
	t.Parallel()
	var e entries
	cfg := config.Cluster{}.Default()
	inner := new(fake.Provider)
	if _, err := inner.Create(t.Context(), cfg, "", noSeed); err != nil {
		t.Fatal(err)
	}
	p, ok := provider.As[provider.Changer](provider.Trace(inner, &e))
	if !ok {
		t.Fatal("a traced Changer is not a Changer")
	}
	cfg.Nodes = append(cfg.Nodes, config.Node{Role: config.Worker})
	cat := provider.Cmd{Args: []string{"cat"}}
	n, err := p.Add(t.Context(), cfg, 1, "", func(nodes []provider.Node) (map[string][]provider.File, error) {
		return map[string][]provider.File{"mkube-worker": {{Path: "/a"}}}, nodes[0].Run(t.Context(), cat)
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(n.Run(t.Context(), cat), p.Remove(t.Context(), "mkube", "mkube-worker")); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"# create node mkube-worker of cluster mkube\n",
		"# on mkube-worker: cat\n",
		"# on mkube-worker before it boots: 1 file: /a (0644)\n",
		"# on mkube-worker: cat\n",
		"# delete node mkube-worker of cluster mkube\n",
	}
	if !slices.Equal(e.list, want) {
		t.Errorf("wrote %q; want %q", e.list, want)
	}
}

func TestTracePassesOn(t *testing.T) {
	t.Parallel()
	inner := new(fake.Provider)
	p := provider.Trace(inner, io.Discard)
	ctx := t.Context()
	broken := errors.New("broken")
	_, err := p.Create(ctx, config.Cluster{}.Default(), "", func([]provider.Node) (map[string][]provider.File, error) { return nil, broken })
	if !errors.Is(err, broken) {
		t.Errorf("Create = %v; want %v", err, broken)
	}
	if got, err := p.Clusters(ctx); !slices.Equal(got, []string{"mkube"}) || err != nil {
		t.Errorf("Clusters = %v, %v", got, err)
	}
	if nodes, err := p.Nodes(ctx, "else"); len(nodes) != 0 || err != nil {
		t.Errorf("Nodes = %v, %v", nodes, err)
	}
}

func TestTraceWritesOneEntryAtATime(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer // without a lock, so that the race detector finds concurrent writes
	n := tracedNode(t, &out)
	var wait sync.WaitGroup
	for i := range 20 {
		wait.Go(func() {
			if err := n.Run(t.Context(), provider.Cmd{Args: []string{"echo", fmt.Sprint(i)}}); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	if lines := strings.Count(out.String(), "onnode mkube-control-plane echo "); lines != 20 {
		t.Errorf("%d commands were written; want 20", lines)
	}
}

func TestAs(t *testing.T) {
	t.Parallel()
	inner := new(fake.Provider)
	p := provider.Trace(provider.Trace(inner, io.Discard), io.Discard)
	if got, ok := provider.As[*fake.Provider](p); !ok || got != inner {
		t.Errorf("As = %v, %v; want the provider that was traced", got, ok)
	}
	n := tracedNode(t, io.Discard)
	if got, ok := provider.As[interface {
		Command(provider.Cmd) []string
	}](n); !ok || got.Command(provider.Cmd{Args: []string{"x"}})[0] != "onnode" {
		t.Errorf("As = %v, %v; want the node that was traced", got, ok)
	}
	if got, ok := provider.As[fmt.Stringer](p); ok {
		t.Errorf("As finds %v", got)
	}
}
