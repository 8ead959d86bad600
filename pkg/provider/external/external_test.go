package external_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"

	"github.com/mkube/mkube/internal/testing/fake"
	"github.com/mkube/mkube/internal/testing/providertest"
	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/provider"
	"github.com/mkube/mkube/pkg/provider/external"
)

// socketVariable makes this binary a program that copies its input and output to and from the
// test's own process, in which the nodes in memory are.
const socketVariable = "MKUBE_TEST_SOCKET"

func TestMain(m *testing.M) {
	socket := os.Getenv(socketVariable)
	if socket == "" {
		os.Exit(m.Run())
	}
	conn, err := net.Dial("unix", socket)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	// Each error means that the other side has ended.
	go func() {
		_, _ = io.Copy(conn, os.Stdin)
		_ = conn.(*net.UnixConn).CloseWrite()
	}()
	_, _ = io.Copy(os.Stdout, conn)
}

// program answers requests with nodes in memory.
type program struct {
	*fake.Provider
	mu    sync.Mutex
	calls []string
	// answers maps methods to fixed replies.
	answers map[string]string
}

// newProvider returns a provider on a program, and the program.
func newProvider(t *testing.T) (*external.Provider, *program) {
	t.Helper()
	dir, err := os.MkdirTemp("", "mkube-test-") // the path of a socket must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	p := &program{Provider: &fake.Provider{Programs: fake.HostPrograms()}, answers: map[string]string{}}
	l, err := net.Listen("unix", filepath.Join(dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go p.serve(conn)
		}
	}()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// Built for the race detector, each program would otherwise sleep for a second at its end.
	script := fmt.Sprintf("#!/bin/sh\nexport GORACE=atexit_sleep_ms=0\n%s=%s exec %s\n", socketVariable, filepath.Join(dir, "s"), self)
	file := filepath.Join(dir, "mkube-provider-test")
	writeProgram(t, file, script)
	return external.New(file, filepath.Join(dir, "clusters")), p
}

// writeProgram writes a program to run. No process may start in the meantime: it would inherit the
// file, open for writing, and such a file cannot be executed (ETXTBSY).
func writeProgram(t *testing.T, file, text string) {
	t.Helper()
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	if err := os.WriteFile(file, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
}

// reply sets a fixed reply to a method.
func (p *program) reply(method, reply string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answers[method] = reply
}

func (p *program) serve(conn net.Conn) {
	defer conn.Close()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	in := bufio.NewReader(conn)
	line, err := in.ReadBytes('\n')
	var r external.Request
	if err != nil || json.Unmarshal(line, &r) != nil {
		return
	}
	p.mu.Lock()
	p.calls = append(p.calls, r.Method)
	answer, given := p.answers[r.Method]
	p.mu.Unlock()
	if given {
		_, _ = io.WriteString(conn, answer) // the program may have been killed
		return
	}
	out := &replies{encoder: json.NewEncoder(conn)}
	if err := p.do(ctx, r, in, out); err != nil {
		out.send(external.Reply{Error: err.Error()})
	}
}

// replies sends one reply at a time.
type replies struct {
	mu      sync.Mutex
	encoder *json.Encoder
}

func (r *replies) send(reply external.Reply) {
	r.mu.Lock()
	defer r.mu.Unlock()
	_ = r.encoder.Encode(reply) // the program may have been killed
}

// stream sends what is written to it as one stream of a reply.
type stream func([]byte) external.Reply

type streamWriter struct {
	*replies
	as stream
}

func (w streamWriter) Write(p []byte) (int, error) {
	w.send(w.as(slices.Clone(p)))
	return len(p), nil
}

func (r *replies) stdout() io.Writer {
	return streamWriter{r, func(p []byte) external.Reply { return external.Reply{Stdout: p} }}
}

func (r *replies) stderr() io.Writer {
	return streamWriter{r, func(p []byte) external.Reply { return external.Reply{Stderr: p} }}
}

func described(nodes []provider.Node) []external.Node {
	var list []external.Node
	for _, n := range nodes {
		list = append(list, external.Node{Name: n.Name(), Role: n.Role(), Addresses: n.IPs(), Versions: n.Versions()})
	}
	return list
}

func (p *program) do(ctx context.Context, r external.Request, in *bufio.Reader, out *replies) error {
	seed := func(nodes []provider.Node) (map[string][]provider.File, error) {
		out.send(external.Reply{Nodes: described(nodes)})
		line, err := in.ReadBytes('\n')
		if err != nil {
			return nil, err
		}
		return unpack(line)
	}
	switch r.Method {
	case "check":
		for _, problem := range p.Check(ctx, *r.Config) {
			if !problem.Warning {
				return problem.Err
			}
			out.send(external.Reply{Warning: problem.Err.Error()})
		}
		return nil
	case "create":
		_, err := p.Create(ctx, *r.Config, "", seed)
		return err
	case "add":
		_, err := p.Add(ctx, *r.Config, r.Index, "", seed)
		return err
	case "remove":
		return p.Remove(ctx, r.Cluster, r.Node)
	case "delete":
		return p.Delete(ctx, r.Cluster, "")
	case "stop":
		return p.Stop(ctx, r.Cluster)
	case "start":
		if r.Node != "" {
			return p.Start(ctx, r.Cluster, r.Node)
		}
		return p.Start(ctx, r.Cluster)
	}
	nodes, err := p.Nodes(ctx, r.Cluster)
	if err != nil {
		return err
	}
	if r.Method == "nodes" {
		slices.Reverse(nodes) // so that mkube must sort them
		out.send(external.Reply{Nodes: described(nodes)})
		return nil
	}
	i := slices.IndexFunc(nodes, func(n provider.Node) bool { return n.Name() == r.Node })
	if i < 0 {
		return fmt.Errorf("there is no node %q", r.Node)
	}
	return onNode(ctx, nodes[i], r, in, out)
}

func onNode(ctx context.Context, n provider.Node, r external.Request, in io.Reader, out *replies) error {
	switch r.Method {
	case "run":
		cmd := provider.Cmd{Args: r.Args, Env: r.Env, TTY: r.TTY, Stdout: out.stdout(), Stderr: out.stderr(), Stdin: struct{ io.Reader }{in}} // the wrapper prevents splice(2): os/exec does not recognize its broken pipes
		err := n.Run(ctx, cmd)
		code := provider.ExitCode(err)
		if code < 0 {
			return err
		}
		out.send(external.Reply{Exit: &code})
	case "logs":
		return n.Logs(ctx, out.stdout())
	case "endpoint":
		endpoint, err := n.Endpoint(ctx, r.Port)
		out.send(external.Reply{Endpoint: endpoint})
		return err
	default:
		return fmt.Errorf("this provider cannot %s", r.Method)
	}
	return nil
}

func TestProvider(t *testing.T) {
	t.Parallel()
	p, _ := newProvider(t)
	providertest.Run(t, p, "an image")
}

func noSeed([]provider.Node) (map[string][]provider.File, error) { return nil, nil }

func TestChanges(t *testing.T) {
	t.Parallel()
	p, program := newProvider(t)
	ctx := t.Context()
	cfg := config.Cluster{Name: "blue", Nodes: []config.Node{{}}}.Default()
	if _, err := p.Create(ctx, cfg, "", noSeed); err != nil {
		t.Fatal(err)
	}
	cfg.Nodes = append(cfg.Nodes, config.Node{Role: config.Worker})
	told := ""
	added, err := p.Add(ctx, cfg, 1, "", func(nodes []provider.Node) (map[string][]provider.File, error) {
		told = nodes[0].Name()
		return map[string][]provider.File{told: {{Path: "/etc/x", Data: []byte("seeded")}}}, nil
	})
	if err != nil || told != "blue-worker" || added.Name() != told {
		t.Fatalf("Add called the seed for %q, and returned %v, %v", told, added, err)
	}
	nodes, err := p.Nodes(ctx, "blue")
	if err != nil || len(nodes) != 2 || nodes[1].Name() != "blue-worker" {
		t.Fatalf("Nodes = %v, %v", nodes, err)
	}
	if out, err := provider.Output(ctx, nodes[1], "cat", "/etc/x"); string(out) != "seeded" || err != nil {
		t.Errorf("the seed is %q, %v", out, err)
	}
	if err := p.Remove(ctx, "blue", "blue-worker"); err != nil {
		t.Error(err)
	}
	program.reply("stop", `{"error":"this provider cannot stop"}`)
	err = p.Stop(ctx, "blue")
	if want := "mkube-provider-test: stop: this provider cannot stop"; fmt.Sprint(err) != want {
		t.Errorf("Stop = %v; want %s", err, want)
	}
	program.mu.Lock()
	defer program.mu.Unlock()
	if want := []string{"create", "nodes", "add", "nodes", "run", "remove", "stop"}; !slices.Equal(program.calls, want) {
		t.Errorf("it was called for %v; want %v", program.calls, want)
	}
}
