package kubeconfig

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"
)

// parse parses a kubeconfig. Its errors contain the line. It accepts only what the methods can
// change: one document of kind Config with lists as its sections, or an empty file.
func parse(data []byte) (*document, error) {
	d := &document{source: data}
	if windowsLines(data) {
		// The YAML package reads "\r\n" after a comment as two lines.
		data = bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n"))
	}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	err := decoder.Decode(&d.node)
	if errors.Is(err, io.EOF) {
		return d, nil
	}
	if err != nil {
		return nil, plainError(err)
	}
	if err := decoder.Decode(new(yaml.Node)); err == nil {
		return nil, errors.New("it contains several YAML documents, but kubectl reads only the first")
	} else if !errors.Is(err, io.EOF) {
		return nil, plainError(err)
	}
	// Decode finds mistakes that are not visible in the tree: repeated keys, and aliases that
	// contain themselves.
	var decoded any
	if err := d.node.Decode(&decoded); err != nil {
		return nil, plainError(err)
	}
	root := d.node.Content[0]
	if root.ShortTag() == "!!null" {
		return d, nil
	}
	if root.Kind != yaml.MappingNode {
		return nil, fmt.Errorf("line %d: a kubeconfig must be a mapping", root.Line)
	}
	d.root = root
	d.layout = layoutOf(d)
	if err := d.check(); err != nil {
		return nil, err
	}
	return d, nil
}

func (d *document) check() error {
	var mistakes []string
	report := func(value *yaml.Node, format string, args ...any) {
		mistakes = append(mistakes, fmt.Sprintf("line %d: %s", value.Line, fmt.Sprintf(format, args...)))
	}
	for _, must := range [...]struct{ key, be string }{{"apiVersion", "v1"}, {"kind", "Config"}} {
		if value := d.value(must.key); value != nil && value.Value != "" && value.Value != must.be {
			report(value, "%s is %q, not %q: it is not a kubeconfig", must.key, value.Value, must.be)
		}
	}
	for _, s := range sections {
		value := d.value(string(s))
		switch {
		case value == nil || value.Kind == yaml.SequenceNode:
		case value.Kind == yaml.AliasNode:
			report(value, "%s is a YAML alias, which cannot be changed on its own", s)
		case value.ShortTag() != "!!null":
			report(value, "%s is not a list", s)
		}
	}
	if value := d.value("<<"); value != nil {
		// A section that is added next to a merged one would hide it.
		report(value, "a kubeconfig that begins with a YAML merge (<<) cannot be changed")
	}
	if len(mistakes) == 0 {
		return nil
	}
	return errors.New(strings.Join(mistakes, "; "))
}

// plainError returns an error of the YAML package on one line, without its prefix.
func plainError(err error) error {
	var types *yaml.TypeError
	if errors.As(err, &types) {
		return errors.New(strings.Join(types.Errors, "; "))
	}
	return errors.New(strings.TrimPrefix(err.Error(), "yaml: "))
}

// windowsLines reports whether every line ends in "\r\n", and "\r" and "\n" are nowhere else.
func windowsLines(data []byte) bool {
	n := bytes.Count(data, []byte("\r\n"))
	return n > 0 && n == bytes.Count(data, []byte("\n")) && n == bytes.Count(data, []byte("\r"))
}
