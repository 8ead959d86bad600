package componenttest

import (
	"bufio"
	"bytes"
	"io"
	"slices"
	"testing"

	"k8s.io/apimachinery/pkg/util/yaml"
	strict "sigs.k8s.io/yaml"

	"github.com/mkube/mkube/pkg/cluster"
	"github.com/mkube/mkube/pkg/component"
	"github.com/mkube/mkube/pkg/config"
)

// Created returns the paths of the objects that a component creates. It creates them twice,
// because the second time all of them exist.
func Created(t *testing.T, c component.Component) []string {
	t.Helper()
	api := NewAPI(t, config.Cluster{})
	c.Start, c.Serves, c.Ready = nil, nil, nil
	for range 2 {
		if err := (component.Up{Cluster: api.Cluster}).Do(t.Context(), c, component.Signals{}); err != nil {
			t.Fatal(err)
		}
	}
	return api.Created()
}

// Objects decodes the objects of a default cluster, and returns their kinds in order. kinds
// contains a pointer for each kind. An object must not have a field that the type does not know.
// Every object must have its kind in kinds, and every kind an object. If there are several objects
// of a kind, the last one is kept.
func Objects(t *testing.T, objects func(*cluster.Cluster) ([]byte, error), kinds map[string]any) (order []string) {
	t.Helper()
	data, err := objects(Cluster(t, config.Cluster{}))
	if err != nil {
		t.Fatal(err)
	}
	for decoder := yaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(data))); ; {
		doc, err := decoder.Read()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		var kind struct{ Kind string }
		if err := strict.Unmarshal(doc, &kind); err != nil || kinds[kind.Kind] == nil {
			t.Fatalf("%v: an object of kind %q", err, kind.Kind)
		}
		if err := strict.UnmarshalStrict(doc, kinds[kind.Kind]); err != nil {
			t.Errorf("%s: %v", kind.Kind, err)
		}
		order = append(order, kind.Kind)
	}
	for kind := range kinds {
		if !slices.Contains(order, kind) {
			t.Errorf("there is no %s", kind)
		}
	}
	return order
}
