// Package providertest is the test that every provider must pass. It checks the contracts in the
// doc comments of package provider, one subtest each.
package providertest

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/provider"
)

// The clusters of the test. The second one sorts before the first. The name of the third begins
// like that of the first, which must not make it a part of the first.
const (
	first  = "tests-b"
	second = "tests-a"
	prefix = "tests-b-more"
)

// creation is the creation of all clusters of the test.
const creation = "mkube providertest"

// limit is the time limit of one step of the test. An emulated machine takes a minute or two to
// boot.
const limit = 5 * time.Minute

// Run tests a provider. It creates the clusters tests-a, tests-b and tests-b-more of an image, and
// deletes them again. The nodes must be able to run awk, cat, env, grep, head, printf, rm, sh,
// sleep and stat. Run also tests the optional interfaces that provider.As finds.
func Run(t *testing.T, p provider.Provider, image string) {
	s := &suite{provider: p, image: image}
	t.Cleanup(func() { s.deleteAll(t) })
	s.deleteAll(t)
	for _, step := range s.steps() {
		if !t.Run(step.name, step.run) && s.made == nil {
			return // all following steps would fail, too
		}
	}
}

// step is a contract of a provider, and its test.
type step struct {
	name string
	run  func(t *testing.T)
}

// steps returns the steps that the provider must pass. They share clusters, because a virtual
// machine takes long to boot.
func (s *suite) steps() []step {
	list := []step{
		{"no cluster is no error", s.noCluster},
		{"an error of the seed is the error of Create", s.seedFails},
		{"Check lets a plain cluster pass", s.check},
		{"Create makes the nodes of the configuration in order", s.create},
		{"a second Create of the name is refused and does no harm", s.createAgain},
		{"the seed lies in the nodes", s.seeded},
		{"Nodes gives the same nodes, control planes first", s.nodes},
		{"Run", s.run},
		{"WriteFiles", s.writeFiles},
		{"Endpoint of the API server is a host and a port", s.endpoint},
		{"Logs of a node that has booted are not empty", s.logs},
		{"of two Creates of a name at once one makes a whole cluster", s.createTwice},
		{"clusters do not see each other", s.sideBySide},
	}
	if c, ok := provider.As[provider.Changer](s.provider); ok {
		list = append(list, s.changes(c)...)
	}
	stopper, stops := provider.As[provider.Stopper](s.provider)
	starter, starts := provider.As[provider.Starter](s.provider)
	if stops && starts {
		list = append(list, s.power(stopper, starter)...)
	}
	return append(list,
		step{"a call with a context that is over is an error", s.over},
		step{"Delete", s.delete},
		step{"Create after Delete, of both families where the provider can", s.createAfterDelete},
	)
}

type suite struct {
	provider provider.Provider
	image    string
	// made are the nodes of the first cluster as Create returned them.
	made []provider.Node
	// known is what the seed learned of them.
	known []provider.Node
	// added is the creation of the node that was added.
	added string
}

// nodeFiles are the files that the seed writes to every node, with the output of stat: mode, owner
// and type.
var nodeFiles = []struct {
	provider.File
	stat string
}{
	{provider.File{Path: "/etc/mkube-test", Data: []byte("plain\n")}, "644 0:0 regular file"},
	{provider.File{Path: "/etc/mkube-tests/new/folder/secret", Data: []byte("s\x00\xff\n"), Mode: 0o600}, "600 0:0 regular file"},
	{provider.File{Path: "/usr/local/bin/mkube-test", Data: []byte("#!/bin/sh\necho it ran\n"), Mode: 0o755}, "755 0:0 regular file"},
	{provider.File{Path: "/var/lib/mkube-test", Data: nil}, "644 0:0 regular empty file"},
}

func (s *suite) config(name string, roles ...config.Role) config.Cluster {
	cfg := config.Cluster{Name: name}
	for _, role := range roles {
		cfg.Nodes = append(cfg.Nodes, config.Node{Role: role, Image: s.image})
	}
	return cfg.Default()
}

// two returns the first cluster. Its worker is listed before its control plane.
func (s *suite) two() config.Cluster { return s.config(first, config.Worker, config.ControlPlane) }

func (s *suite) deleteAll(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	for _, name := range []string{first, second, prefix} {
		if err := s.provider.Delete(ctx, name, ""); err != nil {
			t.Errorf("Delete(%q): %v", name, err)
		}
	}
}

// createNodes calls Create with the arguments of most steps.
func (s *suite) createNodes(t *testing.T, cfg config.Cluster, seed provider.Seed) ([]provider.Node, error) {
	return s.provider.Create(within(t), cfg, creation, seed)
}

// deleteMade deletes what a creation created.
func (s *suite) deleteMade(t *testing.T, cluster, creation string) {
	t.Helper()
	if err := s.provider.Delete(within(t), cluster, creation); err != nil {
		t.Errorf("Delete of what %q made of %s: %v", creation, cluster, err)
	}
}

func (s *suite) noCluster(t *testing.T) {
	ctx := within(t)
	nodes, err := s.provider.Nodes(ctx, first)
	if len(nodes) != 0 || err != nil {
		t.Errorf("Nodes = %v, %v; want none, nil", nodes, err)
	}
	s.wantClusters(t)
	if err := s.provider.Delete(ctx, first, ""); err != nil {
		t.Errorf("Delete: %v", err)
	}
}

func (s *suite) check(t *testing.T) {
	for _, p := range s.provider.Check(within(t), s.two()) {
		if !slices.Contains(provider.Checks(), p.Name) || p.Err == nil {
			t.Errorf("Check found %+v, which nobody can ignore", p)
		}
		if !p.Warning {
			t.Errorf("Check refuses: %v", p.Err)
		}
	}
	s.wantClusters(t)
}

func (s *suite) seedFails(t *testing.T) {
	ctx := within(t)
	_, err := s.createNodes(t, s.two(), func([]provider.Node) (map[string][]provider.File, error) {
		return nil, errSeed
	})
	if err == nil || !strings.Contains(err.Error(), errSeed.Error()) {
		t.Errorf("Create = %v; want %v", err, errSeed)
	}
	if err := s.provider.Delete(ctx, first, ""); err != nil {
		t.Errorf("Delete: %v", err)
	}
	s.wantClusters(t)
}

func (s *suite) create(t *testing.T) {
	called := 0
	nodes, err := s.createNodes(t, s.two(), func(nodes []provider.Node) (map[string][]provider.File, error) {
		called++
		s.known = slices.Clone(nodes)
		return seed(nodes), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	s.made = nodes
	if called != 1 {
		t.Errorf("seed was called %d times; want 1", called)
	}
	if got, want := names(nodes), []string{first + "-worker", first + "-control-plane"}; !slices.Equal(got, want) {
		t.Errorf("Create made %q; want %q", got, want)
	}
	if got, want := facts(nodes), facts(s.known); !reflect.DeepEqual(got, want) {
		t.Errorf("Create returned %v; the seed was told %v", got, want)
	}
	wantAddresses(t, s.two(), nodes)
	for _, n := range nodes {
		if v := n.Versions(); v.Kubernetes == "" || v.Etcd == "" || v.CoreDNS == "" || v.Pause == "" || v.LocalPath == "" || v.MetricsServer == "" {
			t.Errorf("%s has the versions %+v", n.Name(), v)
		}
	}
}

// seed returns nodeFiles for every node, and a file with its own name.
func seed(nodes []provider.Node) map[string][]provider.File {
	files := map[string][]provider.File{}
	for _, n := range nodes {
		for _, f := range nodeFiles {
			files[n.Name()] = append(files[n.Name()], f.File)
		}
		files[n.Name()] = append(files[n.Name()], provider.File{Path: "/etc/mkube-name", Data: []byte(n.Name())})
	}
	return files
}

func (s *suite) createAgain(t *testing.T) {
	_, err := s.provider.Create(within(t), s.two(), creation+" again", noSeed)
	if !errors.Is(err, provider.ErrExists) {
		t.Errorf("Create of a cluster that exists = %v; want ErrExists", err)
	}
	s.deleteMade(t, first, creation+" again")
	s.wantNodes(t, first, first+"-control-plane", first+"-worker")
	if out, err := provider.Output(within(t), s.made[0], "cat", "/etc/mkube-name"); string(out) != s.made[0].Name() {
		t.Errorf("the node that was there says %q, %v", out, err)
	}
}

func (s *suite) seeded(t *testing.T) {
	for _, n := range s.made {
		if out, err := provider.Output(within(t), n, "cat", "/etc/mkube-name"); string(out) != n.Name() || err != nil {
			t.Errorf("/etc/mkube-name on %s = %q, %v", n.Name(), out, err)
		}
		for _, f := range nodeFiles {
			wantFile(t, n, f.File, f.stat)
		}
	}
}

func (s *suite) nodes(t *testing.T) {
	nodes := s.wantNodes(t, first, first+"-control-plane", first+"-worker")
	if got, want := facts(nodes), facts(s.made); !reflect.DeepEqual(got, want) {
		t.Errorf("Nodes gives %v; Create gave %v", got, want)
	}
	for _, n := range nodes {
		if out, err := provider.Output(within(t), n, "cat", "/etc/mkube-name"); string(out) != n.Name() || err != nil {
			t.Errorf("/etc/mkube-name on %s = %q, %v", n.Name(), out, err)
		}
	}
}

func (s *suite) endpoint(t *testing.T) {
	endpoint, err := s.made[1].Endpoint(within(t), 6443)
	if err != nil {
		t.Fatal(err)
	}
	if host, port, err := net.SplitHostPort(endpoint); host == "" || port == "" || port == "0" || err != nil {
		t.Errorf("Endpoint(6443) = %q (%v); want host:port", endpoint, err)
	}
	again, err := s.made[1].Endpoint(within(t), 6443)
	if again != endpoint || err != nil {
		t.Errorf("Endpoint(6443) is %q, %v the second time; the first time it was %q", again, err, endpoint)
	}
}

func (s *suite) logs(t *testing.T) {
	var out strings.Builder
	if err := s.made[0].Logs(within(t), &out); err != nil || out.Len() == 0 {
		t.Errorf("Logs wrote %d bytes, %v", out.Len(), err)
	}
}

// createTwice creates the second cluster.
func (s *suite) createTwice(t *testing.T) {
	cfg := s.config(second, config.ControlPlane)
	won, _, lost := oneWins(t, "Create", func(creation string) ([]provider.Node, error) {
		return s.provider.Create(within(t), cfg, creation, named)
	})
	if len(won) != 1 {
		t.Fatalf("Create made %q", names(won))
	}
	s.deleteMade(t, second, lost)
	nodes := s.wantNodes(t, second, second+"-control-plane")
	if got, want := facts(nodes), facts(won); !reflect.DeepEqual(got, want) {
		t.Errorf("Nodes gives %v; the Create that succeeded gave %v", got, want)
	}
	wantName(t, nodes...)
}

func (s *suite) sideBySide(t *testing.T) {
	made, err := s.createNodes(t, s.config(prefix, config.ControlPlane), noSeed)
	if err != nil {
		t.Fatal(err)
	}
	if err := made[0].Run(within(t), provider.Cmd{Args: []string{"cat", "/etc/mkube-name"}}); provider.ExitCode(err) != 1 {
		t.Errorf("%s has a file of the other cluster's: %v", made[0].Name(), err)
	}
	for _, n := range append(made, s.wantNodes(t, second, second+"-control-plane")...) {
		for _, other := range s.made {
			if slices.ContainsFunc(n.IPs(), func(ip netip.Addr) bool { return slices.Contains(other.IPs(), ip) }) {
				t.Errorf("%s and %s have the addresses %s and %s", n.Name(), other.Name(), n.IPs(), other.IPs())
			}
		}
	}
	s.wantClusters(t, second, first, prefix)
	s.wantNodes(t, second, second+"-control-plane")
	s.wantNodes(t, first, first+"-control-plane", first+"-worker")
}

func (s *suite) over(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, nodesErr := s.provider.Nodes(ctx, first)
	_, clustersErr := s.provider.Clusters(ctx)
	_, createErr := s.provider.Create(ctx, s.config(first+"-never", config.ControlPlane), creation, noSeed)
	for method, err := range map[string]error{
		"Nodes": nodesErr, "Clusters": clustersErr, "Create": createErr, "Delete": s.provider.Delete(ctx, first, ""),
		"Run": s.made[0].Run(ctx, provider.Cmd{Args: []string{"true"}}),
	} {
		if err == nil {
			t.Errorf("%s is no error", method)
		}
	}
	s.wantClusters(t, second, first, prefix)
}

func (s *suite) delete(t *testing.T) {
	for range 2 {
		if err := s.provider.Delete(within(t), first, ""); err != nil {
			t.Fatal(err)
		}
		s.wantNodes(t, first)
		s.wantClusters(t, second, prefix)
	}
	if err := s.made[0].Run(within(t), provider.Cmd{Args: []string{"true"}}); err == nil {
		t.Error("a node that was deleted still runs commands")
	}
	for _, name := range []string{second, prefix} {
		s.wantNodes(t, name, name+"-control-plane")
		if err := s.provider.Delete(within(t), name, ""); err != nil {
			t.Fatal(err)
		}
	}
	s.wantClusters(t)
}

func (s *suite) createAfterDelete(t *testing.T) {
	cfg := s.config(first, config.ControlPlane)
	both := config.Cluster{Name: first, Nodes: cfg.Nodes, Networking: config.Networking{IPFamily: config.DualStack}}.Default()
	if s.provider.Check(within(t), both) == nil {
		cfg = both
	}
	nodes, err := s.createNodes(t, cfg, noSeed)
	if err != nil || len(nodes) != 1 {
		t.Fatalf("Create = %v, %v", nodes, err)
	}
	wantAddresses(t, cfg, nodes)
	if got, want := facts(s.wantNodes(t, first, first+"-control-plane")), facts(nodes); !reflect.DeepEqual(got, want) {
		t.Errorf("Nodes gives %v; Create gave %v", got, want)
	}
}
