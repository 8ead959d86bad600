package vagrant

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mkube/mkube/internal/testing/providertest"
	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/progress"
	"github.com/mkube/mkube/pkg/provider"
)

// TestProvider runs the suite for all providers with each hypervisor that mkube can choose. No
// other test covers VirtualBox.
func TestProvider(t *testing.T) {
	t.Parallel()
	for _, hypervisor := range []string{libvirt, virtualbox} {
		t.Run(hypervisor, func(t *testing.T) {
			t.Parallel()
			p, _ := newProvider(t, hypervisor)
			providertest.Run(t, p, testImage)
		})
	}
}

func noSeed([]provider.Node) (map[string][]provider.File, error) { return nil, nil }

// blue returns a cluster with a control plane and workers.
func blue(workers int) config.Cluster {
	cfg := config.Cluster{Name: "blue", Nodes: []config.Node{{Image: testImage}}}
	for range workers {
		cfg.Nodes = append(cfg.Nodes, config.Node{Role: config.Worker, Image: testImage})
	}
	return cfg.Default()
}

func create(t *testing.T, p *Provider, cfg config.Cluster) []provider.Node {
	t.Helper()
	nodes, err := p.Create(t.Context(), cfg, "", noSeed)
	if err != nil {
		t.Fatal(err)
	}
	return nodes
}

func want[T comparable](t *testing.T, what string, got, want []T) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s is %v; want %v", what, got, want)
	}
}

// TestCopiesAreCounted creates two machines, to which the bundle is copied, and then one more.
func TestCopiesAreCounted(t *testing.T) {
	t.Parallel()
	p, _ := newProvider(t, libvirt)
	bundle, err := os.Stat(filepath.Join(p.o.Bundles, "v1.37.2.tar"))
	if err != nil {
		t.Fatal(err)
	}
	var meter progress.Meter
	ctx := provider.WithCopies(t.Context(), &meter)
	if _, err := p.Create(ctx, blue(1), "", noSeed); err != nil {
		t.Fatal(err)
	}
	if want := 2 * bundle.Size(); meter.Bytes() != want || meter.Total != want {
		t.Errorf("%d of %d bytes were counted, want %d", meter.Bytes(), meter.Total, want)
	}
	if _, err := p.Add(ctx, blue(2), 2, "", noSeed); err != nil {
		t.Fatal(err)
	}
	if want := 3 * bundle.Size(); meter.Bytes() != want || meter.Total != want {
		t.Errorf("%d of %d bytes were counted after one more, want %d", meter.Bytes(), meter.Total, want)
	}
}

// TestOneConnection runs many commands at the same time, and checks that they use one connection,
// and no more sessions at a time than sshd allows.
func TestOneConnection(t *testing.T) {
	t.Parallel()
	p, d := newProvider(t, libvirt)
	create(t, p, blue(0))
	nodes, err := p.Nodes(t.Context(), "blue") // not the same values as Create returned
	if err != nil {
		t.Fatal(err)
	}
	var wait sync.WaitGroup
	for range 30 {
		wait.Go(func() {
			if _, err := provider.Output(t.Context(), nodes[0], "sleep", "0.01"); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	m := d.machine(t, "blue-control-plane")
	if n := m.connections.Load(); n != 1 {
		t.Errorf("%d connections were made", n)
	}
	if n := m.most.Load(); n < 2 || n > sessions+1 { // one session may still be closing
		t.Errorf("%d commands ran at once", n)
	}
}

// TestResize changes the size of a command's terminal while it runs.
func TestResize(t *testing.T) {
	t.Parallel()
	p, d := newProvider(t, libvirt)
	nodes := create(t, p, blue(0))
	ctx, cancel := context.WithCancel(t.Context())
	sizes := make(chan provider.TerminalSize, 1)
	sizes <- provider.TerminalSize{Columns: 120, Rows: 40}
	ended := make(chan error, 1)
	go func() {
		ended <- nodes[0].Run(ctx, provider.Cmd{Args: []string{"sleep", "60"}, TTY: true, Sizes: sizes})
	}()
	select {
	case got := <-d.machine(t, "blue-control-plane").resized:
		if got != [2]uint32{120, 40} {
			t.Errorf("the terminal has %d columns and rows; want 120 and 40", got)
		}
	case err := <-ended:
		t.Fatalf("the command ended: %v", err)
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("Run = %v; want %v", err, context.Canceled)
	}
}

func TestLostConnection(t *testing.T) {
	t.Parallel()
	p, d := newProvider(t, libvirt)
	n := create(t, p, blue(0))[0]
	m := d.machine(t, n.Name())
	result := make(chan error)
	go func() { result <- n.Run(t.Context(), provider.Cmd{Args: []string{"sleep", "20"}}) }()
	for m.running.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	m.cut()
	if err := <-result; err == nil || !strings.Contains(err.Error(), "running sleep on blue-control-plane: ") {
		t.Errorf("a command whose connection was lost ends with %v", err)
	}
	if out, err := provider.Output(t.Context(), n, "printf", "again"); string(out) != "again" || err != nil {
		t.Errorf("the next command says %q, %v", out, err)
	}
	if n := m.connections.Load(); n != 2 {
		t.Errorf("%d connections were made", n)
	}
}

// TestStopAndStart stops and starts a cluster. It also checks that mkube finds a machine that plain
// vagrant has started at another address.
func TestStopAndStart(t *testing.T) {
	t.Parallel()
	p, d := newProvider(t, libvirt)
	ctx := t.Context()
	create(t, p, blue(1))
	says := func() (string, error) {
		nodes, err := p.Nodes(ctx, "blue")
		if err != nil || len(nodes) != 2 {
			t.Fatalf("Nodes = %v, %v", nodes, err)
		}
		out, err := provider.Output(ctx, nodes[1], "printf", "here")
		return string(out), err
	}
	if err := p.Stop(ctx, "blue"); err != nil {
		t.Fatal(err)
	}
	if out, err := says(); err == nil || !strings.Contains(err.Error(), "mkube start cluster") {
		t.Errorf("a machine that is halted says %q, %v", out, err)
	}
	if err := p.Start(ctx, "blue"); err != nil {
		t.Fatal(err)
	}
	if out, err := says(); out != "here" || err != nil {
		t.Errorf("a machine that was started says %q, %v", out, err)
	}
	m := d.machine(t, "blue-worker")
	m.stop()
	if err := m.listen(); err != nil {
		t.Fatal(err)
	}
	if out, err := says(); out != "here" || err != nil {
		t.Errorf("a machine that was started by others says %q, %v", out, err)
	}
	want(t, "what vagrant was called for", d.commandLines(), []string{
		"up --provider libvirt", "ssh-config", "halt blue-worker", "halt", "ssh-config", "up", "ssh-config", "ssh-config",
	})
}

// TestInterrupt checks that an interrupted create waits for vagrant, and that Delete leaves
// nothing.
func TestInterrupt(t *testing.T) {
	t.Parallel()
	p, d := newProvider(t, libvirt)
	began := make(chan struct{})
	d.hangs["up"] = began
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-began; cancel() }()
	if _, err := p.Create(ctx, blue(0), "", noSeed); !errors.Is(err, context.Canceled) {
		t.Errorf("Create = %v", err)
	}
	if names, err := p.Clusters(t.Context()); !slices.Equal(names, []string{"blue"}) || err != nil {
		t.Errorf("what is left is not listed: %v, %v", names, err)
	}
	if err := p.Delete(t.Context(), "blue", ""); err != nil {
		t.Error(err)
	}
	left, err := os.ReadDir(p.o.Dir)
	if len(left) > 0 || err != nil {
		t.Errorf("%v is left, %v", left, err)
	}
}

func TestVagrantFails(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ hypervisor, recording, want string }{
		{libvirt, "no-box", "vagrant up: The box 'debian/bookworm64' could not be found or\ncould not be accessed"},
		{virtualbox, "not-installed", "vagrant up: "},
	} {
		p, d := newProvider(t, tt.hypervisor)
		d.fails["up"] = tt.recording
		_, err := p.Create(t.Context(), blue(0), "", noSeed)
		if !strings.HasPrefix(fmt.Sprint(err), tt.want) {
			t.Errorf("%s: %v", tt.recording, err)
		}
		if strings.Contains(err.Error(), "VAGRANT_COMMA") || strings.HasSuffix(err.Error(), "exit status 1") {
			t.Errorf("%s: not for people: %v", tt.recording, err)
		}
	}
}

func TestAddAndRemove(t *testing.T) {
	t.Parallel()
	p, d := newProvider(t, libvirt)
	ctx := t.Context()
	create(t, p, blue(0))
	cfg := blue(2)
	if _, err := p.Add(ctx, cfg, 2, "", noSeed); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Add(ctx, cfg, 1, "", noSeed); err != nil {
		t.Fatal(err)
	}
	list := func() []string {
		nodes, err := p.Nodes(ctx, "blue")
		if err != nil {
			t.Fatal(err)
		}
		var list []string
		for _, n := range nodes {
			list = append(list, n.Name()+" "+n.IP().String())
		}
		return list
	}
	want(t, "the nodes", list(), []string{"blue-control-plane 192.168.56.10", "blue-worker 192.168.56.11", "blue-worker2 192.168.56.12"})
	for range 2 {
		if err := p.Remove(ctx, "blue", "blue-worker"); err != nil {
			t.Fatal(err)
		}
		want(t, "the nodes", list(), []string{"blue-control-plane 192.168.56.10", "blue-worker2 192.168.56.12"})
	}
	if text, err := os.ReadFile(filepath.Join(p.o.Dir, "blue", vagrantfile)); err != nil || bytes.Contains(text, []byte("'blue-worker'")) {
		t.Errorf("the Vagrantfile still has the node, %v:\n%s", err, text)
	}
	if len(d.machines) != 2 {
		t.Errorf("there are %d machines", len(d.machines))
	}
}

// TestDeleteStaysInItsFolder deletes clusters with names that lead to other folders.
func TestDeleteStaysInItsFolder(t *testing.T) {
	t.Parallel()
	p, d := newProvider(t, libvirt)
	precious := filepath.Join(filepath.Dir(p.o.Dir), "precious")
	if err := os.MkdirAll(precious, 0o755); err != nil {
		t.Fatal(err)
	}
	create(t, p, blue(0))
	for _, name := range []string{"", ".", "..", "../precious", "blue/../../precious", "/", precious} {
		if err := p.Delete(t.Context(), name, ""); err != nil {
			t.Errorf("Delete(%q) = %v", name, err)
		}
	}
	if _, err := os.Stat(precious); err != nil {
		t.Error(err)
	}
	want(t, "what is left", clusters(t, p), []string{"blue"})
	if len(d.machines) != 1 {
		t.Errorf("there are %d machines", len(d.machines))
	}
}

func clusters(t *testing.T, p *Provider) []string {
	t.Helper()
	names, err := p.Clusters(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return names
}
