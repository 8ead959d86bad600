package providertest

import (
	"bytes"
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/provider"
)

var errSeed = errors.New("the seed has run dry")

func noSeed([]provider.Node) (map[string][]provider.File, error) { return nil, nil }

// within returns a context for one step.
func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	t.Cleanup(cancel)
	return ctx
}

// wantClusters checks the clusters of this test. The host may have others.
func (s *suite) wantClusters(t *testing.T, want ...string) {
	t.Helper()
	got, err := s.provider.Clusters(within(t))
	if err != nil {
		t.Error(err)
	}
	if !slices.IsSorted(got) {
		t.Errorf("Clusters = %q: not sorted", got)
	}
	got = slices.DeleteFunc(got, func(name string) bool {
		return !slices.Contains([]string{first, second, prefix, first + "-never"}, name)
	})
	if !slices.Equal(got, want) {
		t.Errorf("Clusters = %q; want %q", got, want)
	}
}

// wantNodes checks the nodes of a cluster. want is sorted. Control planes must come first, and the
// order is otherwise free.
func (s *suite) wantNodes(t *testing.T, cluster string, want ...string) []provider.Node {
	t.Helper()
	nodes, err := s.provider.Nodes(within(t), cluster)
	if err != nil {
		t.Error(err)
	}
	if got := names(nodes); !slices.Equal(slices.Sorted(slices.Values(got)), want) {
		t.Errorf("Nodes(%q) = %q; want %q", cluster, got, want)
	}
	if !slices.IsSortedFunc(nodes, func(a, b provider.Node) int { return place(a) - place(b) }) {
		t.Errorf("Nodes(%q) = %q; want control planes first", cluster, names(nodes))
	}
	return nodes
}

func place(n provider.Node) int {
	if n.Role() == config.ControlPlane {
		return 0
	}
	return 1
}

func names(nodes []provider.Node) []string {
	var list []string
	for _, n := range nodes {
		list = append(list, n.Name())
	}
	return list
}

// facts returns what a node knows of itself, by name.
func facts(nodes []provider.Node) map[string][]any {
	m := map[string][]any{}
	for _, n := range nodes {
		m[n.Name()] = []any{n.Role(), n.IP(), n.IPs(), n.Versions()}
	}
	return m
}

// wantAddresses checks that each node has its own address of each family in the configuration, the
// preferred family first.
func wantAddresses(t *testing.T, cfg config.Cluster, nodes []provider.Node) {
	t.Helper()
	owners := map[netip.Addr]string{}
	for _, n := range nodes {
		var got, want []bool
		for _, subnet := range cfg.Networking.PodSubnets() {
			want = append(want, subnet.Addr().Is4())
		}
		for _, ip := range n.IPs() {
			got = append(got, ip.Is4())
			if !ip.IsValid() || ip.IsLoopback() || ip.IsUnspecified() || owners[ip] != "" {
				t.Errorf("%s has the address %s; it is the only one with it", n.Name(), ip)
			}
			owners[ip] = n.Name()
		}
		if !slices.Equal(got, want) || n.IP() != n.IPs()[0] {
			t.Errorf("%s has the addresses %s, and prefers %s; its pods are in %s", n.Name(), n.IPs(), n.IP(), cfg.Networking.PodSubnet)
		}
	}
}

// named is a seed that writes to each node its own name.
func named(nodes []provider.Node) (map[string][]provider.File, error) {
	files := map[string][]provider.File{}
	for _, n := range nodes {
		files[n.Name()] = []provider.File{{Path: "/etc/mkube-name", Data: []byte(n.Name())}}
	}
	return files, nil
}

// wantName checks that nodes run and have the file of named or seed.
func wantName(t *testing.T, nodes ...provider.Node) {
	t.Helper()
	for _, n := range nodes {
		if out, err := provider.Output(within(t), n, "cat", "/etc/mkube-name"); string(out) != n.Name() || err != nil {
			t.Errorf("/etc/mkube-name on %s = %q, %v", n.Name(), out, err)
		}
	}
}

// oneWins makes a call twice at the same time, each with its own creation. One must succeed and
// the other must fail with ErrExists. It returns the result of the first and the two creations.
func oneWins[T any](t *testing.T, what string, call func(creation string) (T, error)) (result T, won, lost string) {
	t.Helper()
	creations := []string{creation + " one", creation + " two"}
	var results [2]T
	var errs [2]error
	var wait sync.WaitGroup
	for i := range results {
		wait.Go(func() { results[i], errs[i] = call(creations[i]) })
	}
	wait.Wait()
	winner := slices.Index(errs[:], nil)
	if winner < 0 || !errors.Is(errs[1-winner], provider.ErrExists) {
		t.Fatalf("two at once of %s end with %v and %v; want one ErrExists", what, errs[0], errs[1])
	}
	return results[winner], creations[winner], creations[1-winner]
}

// wantFile checks the content of a file of a node, and the output of stat.
func wantFile(t *testing.T, n provider.Node, f provider.File, stat string) {
	t.Helper()
	data, err := provider.Output(within(t), n, "cat", f.Path)
	if !bytes.Equal(data, f.Data) || err != nil {
		t.Errorf("%s on %s = %q, %v; want %q", f.Path, n.Name(), data, err, f.Data)
	}
	wantStat(t, n, f.Path, stat)
}

func wantStat(t *testing.T, n provider.Node, path, want string) {
	t.Helper()
	out, err := provider.Output(within(t), n, "stat", "-c", "%a %u:%g %F", path)
	if got := strings.TrimSpace(string(out)); got != want || err != nil {
		t.Errorf("stat of %s on %s = %q, %v; want %q", path, n.Name(), got, err, want)
	}
}
