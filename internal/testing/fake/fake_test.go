package fake_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"reflect"
	"strings"
	"testing"

	"github.com/mkube/mkube/internal/testing/fake"
	"github.com/mkube/mkube/internal/testing/providertest"
	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/provider"
)

// TestProvider runs the test that every provider must pass.
func TestProvider(t *testing.T) {
	t.Parallel()
	providertest.Run(t, &fake.Provider{Programs: fake.HostPrograms()}, "an image")
}

func noSeed([]provider.Node) (map[string][]provider.File, error) { return nil, nil }

func create(t *testing.T, p *fake.Provider, cfg config.Cluster, seed provider.Seed) []*fake.Node {
	t.Helper()
	nodes, err := p.Create(t.Context(), cfg.Default(), "", seed)
	if err != nil {
		t.Fatal(err)
	}
	var list []*fake.Node
	for _, n := range nodes {
		list = append(list, n.(*fake.Node))
	}
	return list
}

func TestAddresses(t *testing.T) {
	t.Parallel()
	p := new(fake.Provider)
	create(t, p, config.Cluster{Name: "gone"}, noSeed)
	two := create(t, p, config.Cluster{Name: "two", Nodes: []config.Node{{}, {Role: config.Worker}}}, noSeed)
	if err := p.Delete(t.Context(), "gone", ""); err != nil {
		t.Fatal(err)
	}
	again := create(t, p, config.Cluster{}, noSeed)
	got := map[string]string{}
	for _, n := range append(two, again...) {
		got[n.Name()] = n.IP().String()
	}
	want := map[string]string{
		"two-control-plane": "10.89.1.2", "two-worker": "10.89.1.3",
		"mkube-control-plane": "10.89.0.2", // the subnet that is free again
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("addresses are %v; want %v", got, want)
	}
}

func TestSeedBecomesFiles(t *testing.T) {
	t.Parallel()
	n := create(t, new(fake.Provider), config.Cluster{}, func(nodes []provider.Node) (map[string][]provider.File, error) {
		return map[string][]provider.File{nodes[0].Name(): {{Path: "/a/b", Data: []byte("x"), Mode: 0o600}}}, nil
	})[0]
	want := map[string]provider.File{
		"/a":   {Path: "/a", Data: []byte{}, Mode: fs.ModeDir | 0o755},
		"/a/b": {Path: "/a/b", Data: []byte("x"), Mode: 0o600},
	}
	if got := n.Files(); !reflect.DeepEqual(got, want) {
		t.Errorf("Files = %v; want %v", got, want)
	}
	if _, ok := n.File("/a/c"); ok {
		t.Error("File finds what is not there")
	}
}

func TestAnswer(t *testing.T) {
	t.Parallel()
	p := &fake.Provider{Answer: func(args []string) (string, int, bool) {
		return "said " + args[1], 3, args[0] == "say"
	}}
	n := create(t, p, config.Cluster{}, noSeed)[0]
	out, err := provider.Output(t.Context(), n, "say", "hello")
	if string(out) != "said hello" || provider.ExitCode(err) != 3 {
		t.Errorf("Run = %q, %v", out, err)
	}
	for args, want := range map[string]string{
		"else x":     "running else x on mkube-control-plane: exit code 127: else: command not found",
		"tar -cf -":  "running tar -cf - on mkube-control-plane: exit code 2: tar: a fake node's tar only knows -C / -xf - and -C / -cf - FILE...",
		"cat /etc/x": "running cat /etc/x on mkube-control-plane: exit code 1: cat: /etc/x: No such file or directory",
	} {
		if err := n.Run(t.Context(), provider.Cmd{Args: strings.Fields(args)}); fmt.Sprint(err) != want {
			t.Errorf("Run(%s) = %v; want %s", args, err, want)
		}
	}
}

func TestTarWantsRootAsOwner(t *testing.T) {
	t.Parallel()
	n := create(t, new(fake.Provider), config.Cluster{}, noSeed)[0]
	for name, archive := range map[string][]byte{
		"another owner": header(1000), "no archive": bytes.Repeat([]byte("x"), 1024),
	} {
		err := n.Run(t.Context(), provider.Cmd{Args: []string{"tar", "-C", "/", "-xf", "-"}, Stdin: bytes.NewReader(archive)})
		if provider.ExitCode(err) != 2 {
			t.Errorf("tar of %s = %v; want exit code 2", name, err)
		}
	}
}

// header returns an archive with one empty file of an owner.
func header(uid int) []byte {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	w.WriteHeader(&tar.Header{Name: "etc/x", Uid: uid})
	w.Close()
	return b.Bytes()
}

func TestBefore(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	p := &fake.Provider{Before: func(ctx context.Context, c fake.Call) error {
		switch {
		case c.N == 3:
			return broken
		case c.Method == "Logs":
			<-ctx.Done()
			return ctx.Err()
		}
		return nil
	}}
	n := create(t, p, config.Cluster{}, noSeed)[0]
	if err := n.Run(t.Context(), provider.Cmd{Args: []string{"cat"}}); !errors.Is(err, broken) {
		t.Errorf("the third call = %v; want %v", err, broken)
	}
	if err := n.Run(t.Context(), provider.Cmd{Args: []string{"cat"}}); err != nil {
		t.Errorf("the fourth call = %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := n.Logs(ctx, new(bytes.Buffer)); !errors.Is(err, context.Canceled) {
		t.Errorf("a call that hangs = %v", err)
	}
	want := []fake.Call{
		{N: 1, Method: "Create", Cluster: "mkube"},
		{N: 2, Method: "Boot", Cluster: "mkube", Node: "mkube-control-plane"},
		{N: 3, Method: "Run", Cluster: "mkube", Node: "mkube-control-plane", Args: []string{"cat"}},
		{N: 4, Method: "Run", Cluster: "mkube", Node: "mkube-control-plane", Args: []string{"cat"}},
		{N: 5, Method: "Logs", Cluster: "mkube", Node: "mkube-control-plane"},
	}
	if got := p.Calls(); !reflect.DeepEqual(got, want) {
		t.Errorf("Calls = %v; want %v", got, want)
	}
}

func TestCreateLeavesWhatItMade(t *testing.T) {
	t.Parallel()
	p := &fake.Provider{Before: func(_ context.Context, c fake.Call) error {
		if c.Method == "Boot" {
			return errors.New("no power")
		}
		return nil
	}}
	if _, err := p.Create(t.Context(), config.Cluster{}.Default(), "", noSeed); fmt.Sprint(err) != "no power" {
		t.Errorf("Create = %v", err)
	}
	nodes, err := p.Nodes(t.Context(), "mkube")
	if len(nodes) != 1 || err != nil {
		t.Errorf("Nodes = %v, %v; want the one that did not boot", nodes, err)
	}
}

func TestPublished(t *testing.T) {
	t.Parallel()
	p := &fake.Provider{Published: func(n *fake.Node, port int) (string, error) {
		return fmt.Sprintf("%s:%d", n.Name(), port), nil
	}}
	n := create(t, p, config.Cluster{}, noSeed)[0]
	if got, err := n.Endpoint(t.Context(), 80); got != "mkube-control-plane:80" || err != nil {
		t.Errorf("Endpoint = %q, %v", got, err)
	}
	n = create(t, new(fake.Provider), config.Cluster{}, noSeed)[0]
	if got, err := n.Endpoint(t.Context(), 80); got != "10.89.0.2:80" || err != nil {
		t.Errorf("Endpoint = %q, %v", got, err)
	}
}
