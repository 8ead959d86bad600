package providertest

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/mkube/mkube/pkg/provider"
)

var errSeed = errors.New("the seed has run dry")

func noSeed([]provider.Node) (map[string][]provider.File, error) { return nil, nil }

// within is a context for one step.
func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	t.Cleanup(cancel)
	return ctx
}

// wantClusters compares the clusters of this test: the host may have others.
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

func (s *suite) wantNodes(t *testing.T, cluster string, want ...string) []provider.Node {
	t.Helper()
	nodes, err := s.provider.Nodes(within(t), cluster)
	if err != nil {
		t.Error(err)
	}
	if got := names(nodes); !slices.Equal(got, want) {
		t.Errorf("Nodes(%q) = %q; want %q", cluster, got, want)
	}
	return nodes
}

func names(nodes []provider.Node) []string {
	var list []string
	for _, n := range nodes {
		list = append(list, n.Name())
	}
	return list
}

// facts are what a node knows of itself, by name.
func facts(nodes []provider.Node) map[string][]any {
	m := map[string][]any{}
	for _, n := range nodes {
		m[n.Name()] = []any{n.Role(), n.IP(), n.Versions()}
	}
	return m
}

// wantFile compares a file of a node, and what stat says of it.
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
