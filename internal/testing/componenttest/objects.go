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

// Created are the paths of the objects that a component creates, asked to twice: the
// second time all is there.
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

// Objects reads the objects of a default cluster into what kinds has for each kind,
// a pointer, of which an object may not have a field that its type does not know,
// and returns the objects' kinds in order. It wants every object's kind to be there, and every
// kind to have an object. Of several of a kind the last one stays.
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
