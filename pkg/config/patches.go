package config

import (
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"sync"

	yamlv3 "go.yaml.in/yaml/v3"
	"sigs.k8s.io/yaml"
)

// A document is a kind of YAML file that a component reads.
type document struct {
	program, kind string
	// versions are the values of apiVersion. A patch of mkube's file may omit it.
	versions []string
	// schema has the fields of the Kubernetes release that mkube builds by default.
	schema func() (table, error)
	fixed  []fixedField
}

func schemaOf(fields string) func() (table, error) {
	return sync.OnceValues(func() (table, error) { return parseTOML(fields) })
}

// patches checks the patches of a component's configuration file.
func (m *mistakes) patches(path string, patches []string, d document, c Cluster) []table {
	var trees []table
	for i, text := range patches {
		at := itemPath(path, i)
		tree, err := parseYAML(text)
		if err != nil {
			m.addf(at, "is not a YAML mapping: %s", oneLine(err))
			continue
		}
		trees = append(trees, tree)
		if m.printable(at, text, "\r\n\t") {
			m.fields(at, "", text, tree, d, c)
		}
	}
	return trees
}

// document checks a whole file that a flag names, and returns its content.
func (m *mistakes) document(at, file, text string, d document, c Cluster) (table, bool) {
	tree, err := parseYAML(text)
	if err != nil {
		m.addf(at, "names %s, which is not a YAML mapping: %s", quote(file), oneLine(err))
		return nil, false
	}
	if tree["apiVersion"] == nil || tree["kind"] == nil {
		m.addf(at, "names %s, which has no apiVersion or no kind: write \"apiVersion: %s\" and \"kind: %s\"", quote(file), d.versions[0], d.kind)
		return nil, false
	}
	before := len(*m)
	m.fields(at, "names "+quote(file)+", which ", text, tree, d, c)
	return tree, len(*m) == before
}

// fields reports what the component would ignore or refuse in a document, and changes of fields on
// which mkube relies.
func (m *mistakes) fields(at, prefix, text string, tree table, d document, c Cluster) {
	check := &fieldCheck{program: d.program, mapping: "a mapping", text: text, note: func(problem string) { m.addf(at, "%s%s", prefix, problem) }}
	if kind := tree["kind"]; kind != nil && kind != d.kind {
		check.report("kind", "kind must be %s", d.kind)
	}
	if version, _ := tree["apiVersion"].(string); tree["apiVersion"] != nil && !slices.Contains(d.versions, version) {
		check.report("apiVersion", "apiVersion must be %s", d.versions[0])
	}
	check.fixed(tree, d.fixed)
	if !c.defaultRelease() {
		return
	}
	schema, err := d.schema()
	if err != nil {
		m.addf(at, "cannot be compared with the fields of %s: %v", d.program, err)
		return
	}
	check.table("", tree, schema)
}

// parseYAML reads one YAML mapping without duplicate keys. An empty text is an empty mapping.
func parseYAML(text string) (table, error) {
	documents := yamlv3.NewDecoder(strings.NewReader(text))
	var first, second yamlv3.Node
	if err := documents.Decode(&first); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if err := documents.Decode(&second); err == nil {
		return nil, errors.New("it has a second YAML document")
	}
	if len(first.Content) > 0 && first.Content[0].Kind != yamlv3.MappingNode && !isNull(first.Content[0]) {
		return nil, fmt.Errorf("it is %s", describe(first.Content[0]))
	}
	tree := table{}
	if err := yaml.UnmarshalStrict([]byte(text), &tree); err != nil {
		return nil, err
	}
	integers(tree)
	return tree, nil
}

// oneLine returns the text of an error of the YAML modules on one line.
func oneLine(err error) string {
	return strings.Join(strings.Fields(yamlPlace.ReplaceAllString(err.Error(), "$1")), " ")
}

// integers turns whole numbers in a value into int64, in place. The YAML module decodes all numbers
// as float64.
func integers(v any) any {
	switch v := v.(type) {
	case table:
		for key, value := range v {
			v[key] = integers(value)
		}
	case []any:
		for i, value := range v {
			v[i] = integers(value)
		}
	case float64:
		if v == math.Trunc(v) && math.Abs(v) < 1<<53 {
			return int64(v)
		}
	}
	return v
}
