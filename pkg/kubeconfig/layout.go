package kubeconfig

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v3"
)

// A layout describes the format of a file, so that new parts look like the others, and the others
// stay unchanged. The zero layout is that of kubectl.
type layout struct {
	indent      int  // of a mapping in a mapping; 0 means 2
	indentLists bool // lists are indented below their key
	crlf        bool // lines end as on Windows
	json        bool
	jsonIndent  string // empty if everything is on one line
}

func layoutOf(d *document) layout {
	if d.root.Style&yaml.FlowStyle != 0 && json.Valid(d.source) {
		return layout{json: true, jsonIndent: jsonIndent(d.source)}
	}
	l := layout{crlf: windowsLines(d.source)}
	for _, s := range sections {
		list := d.value(string(s))
		if list == nil || len(list.Content) == 0 || list.Style&yaml.FlowStyle != 0 {
			continue
		}
		l.indentLists = list.Column > d.root.Column
		l.indent = indentOf(list.Content[0])
		break
	}
	return l
}

// indentOf returns the indent of a stanza's fields below their key, limited to 2 to 8. It is 0 if
// the stanza does not show it.
func indentOf(stanza *yaml.Node) int {
	for _, fields := range stanza.Content {
		if fields.Kind == yaml.MappingNode && fields.Style&yaml.FlowStyle == 0 {
			return min(max(fields.Column-stanza.Column, 2), 8)
		}
	}
	return 0
}

// jsonIndent returns the indent of the second line.
func jsonIndent(data []byte) string {
	_, rest, _ := strings.Cut(strings.TrimSpace(string(data)), "\n")
	return rest[:len(rest)-len(strings.TrimLeft(rest, " \t"))]
}

// dress gives a new node the style of the layout.
func (l layout) dress(node *yaml.Node) {
	if !l.json {
		return
	}
	if node.Kind == yaml.ScalarNode {
		node.Style = yaml.DoubleQuotedStyle
		return
	}
	node.Style = yaml.FlowStyle
	for _, child := range node.Content {
		l.dress(child)
	}
}

// encode returns the file after a change of the parts with this name. It parses the result again
// and compares everything else with the source: a user's credentials must not depend on the correct
// encoding of every special case of YAML.
func (d *document) encode(name string) ([]byte, error) {
	data, err := d.layout.encode(&d.node)
	if err != nil {
		return nil, err
	}
	before, err := parse(d.source)
	if err != nil {
		return nil, err
	}
	if before.root == nil {
		data = append(commentsOf(d.source), data...)
		before = d
	}
	after, err := parse(data)
	if err != nil {
		return nil, fmt.Errorf("it cannot be changed, as the result would not be readable: %w", err)
	}
	want, wantErr := before.others(name)
	got, gotErr := after.others(name)
	if err := errors.Join(wantErr, gotErr); err != nil {
		return nil, err
	}
	if !reflect.DeepEqual(want, got) {
		return nil, fmt.Errorf("it cannot be changed, as the change would also affect entries that do not belong to %q: does the file use YAML aliases?", name)
	}
	return data, nil
}

// commentsOf returns the comments of a file that contains nothing else.
func commentsOf(data []byte) []byte {
	var comments []byte
	for line := range bytes.Lines(data) {
		if bytes.HasPrefix(bytes.TrimSpace(line), []byte("#")) {
			comments = append(append(comments, bytes.TrimSpace(line)...), '\n')
		}
	}
	return comments
}

func (l layout) encode(node *yaml.Node) ([]byte, error) {
	var out bytes.Buffer
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(max(l.indent, 2))
	if !l.indentLists {
		encoder.CompactSeqIndent()
	}
	if err := encoder.Encode(node); err != nil {
		return nil, plainError(err)
	}
	if err := encoder.Close(); err != nil {
		return nil, plainError(err)
	}
	if l.crlf {
		return bytes.ReplaceAll(out.Bytes(), []byte("\n"), []byte("\r\n")), nil
	}
	if !l.json || !json.Valid(out.Bytes()) {
		return out.Bytes(), nil
	}
	return l.encodeJSON(out.Bytes())
}

func (l layout) encodeJSON(data []byte) ([]byte, error) {
	var out bytes.Buffer
	var err error
	if l.jsonIndent == "" {
		err = json.Compact(&out, data)
	} else {
		err = json.Indent(&out, bytes.TrimSpace(data), "", l.jsonIndent)
	}
	out.WriteByte('\n')
	return out.Bytes(), err
}
