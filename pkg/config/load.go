package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"slices"
	"sort"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxSize, in bytes, is far more than any configuration needs, and small enough that no input costs
// much time or memory.
const maxSize = 1 << 20

// Load reads a cluster from YAML or JSON: exactly one document of at most 1 MiB, without unknown
// fields, duplicate keys or aliases. name is the name of the source in errors: the path of a file,
// or "standard input". image is the image of the nodes for which the file sets none, "" for the
// default: flags and fields of components are compared only with those of the default release.
//
// The cluster is as written, without defaults, and Validate accepts it after Default. If there are
// mistakes, the cluster is zero, and the error contains all mistakes of the file, a line each, in
// the order of the file. For example:
//
//	mkube.yaml:7: unknown field "podsubnet" in networking: did you mean "podSubnet"?
func Load(r io.Reader, name, image string) (Cluster, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxSize+1))
	if err != nil {
		return Cluster{}, fmt.Errorf("reading %s: %w", name, err)
	}
	if len(data) > maxSize {
		return Cluster{}, fmt.Errorf("%s is larger than 1 MiB, the limit of a configuration file: is it the right file?", name)
	}
	root, err := parse(data, name)
	if err != nil {
		return Cluster{}, err
	}
	var c Cluster
	d := decoder{lines: map[string]int{"": root.Line}}
	d.value(root, reflect.ValueOf(&c).Elem(), "")
	found := append(d.mistakes, d.unseen(append(missingHeader(c), c.Default().WithImage(image).mistakes()...))...)
	if len(found) > 0 {
		return Cluster{}, located(found, name)
	}
	return c, nil
}

// missingHeader checks the two fields that a file must have, although Default would set them: they
// define how to read the file.
func missingHeader(c Cluster) mistakes {
	var m mistakes
	if c.APIVersion == "" {
		m.addf("apiVersion", `is missing: write "apiVersion: %s"`, APIVersion)
	}
	if c.Kind == "" {
		m.addf("kind", `is missing: write "kind: %s"`, Kind)
	}
	return m
}

// located returns mistakes in the order of the file, each with its place.
func located(found mistakes, name string) error {
	slices.SortStableFunc(found, func(a, b mistake) int { return a.line - b.line })
	for i, m := range found {
		found[i].text = fmt.Sprintf("%s:%d: %s", name, m.line, m.text)
	}
	return found.join()
}

// parse returns the root of the only document in data.
func parse(data []byte, name string) (*yaml.Node, error) {
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var document, second yaml.Node
	err := decoder.Decode(&document)
	if errors.Is(err, io.EOF) || err == nil && isNull(document.Content[0]) {
		return nil, fmt.Errorf("%s is empty: it must begin with these two lines:\n\napiVersion: %s\nkind: %s", name, APIVersion, Kind)
	}
	if err != nil {
		return nil, syntaxError(data, name, err)
	}
	switch err := decoder.Decode(&second); {
	case err == nil:
		return nil, fmt.Errorf("%s:%d: a second YAML document begins here: a file configures one cluster, so move the document to another file", name, second.Line)
	case !errors.Is(err, io.EOF):
		return nil, syntaxError(data, name, err)
	}
	return document.Content[0], nil
}

var yamlPlace = regexp.MustCompile(`^yaml: (line \d+: )?`)

// syntaxError returns the error for data that is not YAML, with its line.
func syntaxError(data []byte, name string, err error) error {
	lines := bytes.SplitAfter(data, []byte("\n"))
	n := syntaxLine(lines, err)
	problem := yamlPlace.ReplaceAllString(err.Error(), "")
	if indent := lines[n-1][:len(lines[n-1])-len(bytes.TrimLeft(lines[n-1], " \t"))]; bytes.ContainsRune(indent, '\t') {
		problem += " (indent with spaces: YAML allows no tabs)"
	}
	return fmt.Errorf("%s:%d: not YAML: %s", name, n, problem)
}

// syntaxLine returns the number of the line with the mistake: the last line of the shortest
// beginning of the file that has the mistake. The line in the error of the YAML module is that at
// which the surrounding mapping starts, or the one before.
func syntaxLine(lines [][]byte, err error) int {
	problem := yamlPlace.ReplaceAllString(err.Error(), "")
	n := 1 + sort.Search(len(lines), func(i int) bool {
		decoder := yaml.NewDecoder(bytes.NewReader(bytes.Join(lines[:i+1], nil)))
		for {
			var node yaml.Node
			if err := decoder.Decode(&node); err != nil {
				return strings.HasSuffix(err.Error(), problem)
			}
		}
	})
	return min(n, len(lines))
}
