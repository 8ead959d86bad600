// Package componenttest contains what the tests of components share: a cluster whose certificates
// are the same text each time, golden files, and the rules for static pods and lessons.
//
// The tests are pkg/component/NAME_test.go, in one package. With a package for each component,
// there would be a binary for each. Linking client-go into each of them would take longer than the
// test.
package componenttest

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/mkube/mkube/internal/testing/fake"
	"github.com/mkube/mkube/pkg/cluster"
	"github.com/mkube/mkube/pkg/component"
	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/provider"
)

// Cluster returns a cluster of fake nodes with new keys. It sets the defaults of the
// configuration.
func Cluster(t *testing.T, cfg config.Cluster) *cluster.Cluster {
	t.Helper()
	return ClusterOf(t, cfg, new(fake.Provider))
}

// ClusterOf is Cluster with the nodes of a provider.
func ClusterOf(t *testing.T, cfg config.Cluster, p *fake.Provider) *cluster.Cluster {
	t.Helper()
	keys, err := cluster.NewPKI(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	cfg = cfg.Default()
	noFiles := func([]provider.Node) (map[string][]provider.File, error) { return nil, nil }
	nodes, err := p.Create(t.Context(), cfg, "", noFiles)
	if err != nil {
		t.Fatal(err)
	}
	return cluster.New(cfg, nodes, keys)
}

// files returns the files of a component on a node, then its manifest and its objects. It renders
// them twice for a new cluster, with a fake clock that starts at midnight UTC at the beginning of
// the year 2000.
func files(t *testing.T, c component.Component, cfg config.Cluster, node int) []provider.File {
	t.Helper()
	var list []provider.File
	synctest.Test(t, func(t *testing.T) {
		cl := Cluster(t, cfg)
		list = render(t, c, cl, cl.Nodes[node])
		time.Sleep(time.Hour) // on the fake clock; the files do not depend on the time
		wantSame(t, list, render(t, c, cl, cl.Nodes[node]))
	})
	return list
}

func render(t *testing.T, c component.Component, cl *cluster.Cluster, n provider.Node) []provider.File {
	t.Helper()
	list, err := c.RenderFiles(cl, n)
	if err != nil {
		t.Fatal(err)
	}
	if c.Manifest != nil {
		manifest, err := c.Manifest(cl, n)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, manifest)
	}
	if c.Objects != nil {
		objects, err := c.Objects(cl)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, provider.File{Path: "objects.yaml", Data: objects})
	}
	return list
}

func wantSame(t *testing.T, a, b []provider.File) {
	t.Helper()
	if len(a) != len(b) {
		t.Fatalf("rendered twice, there are %d files and %d", len(a), len(b))
	}
	for i := range a {
		if a[i].Path != b[i].Path || a[i].Mode != b[i].Mode || string(a[i].Data) != string(b[i].Data) {
			t.Errorf("rendered twice, %s is not the same", a[i].Path)
		}
	}
}
