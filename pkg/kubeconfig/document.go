package kubeconfig

import (
	"slices"

	"go.yaml.in/yaml/v3"
)

// A section is a list of named stanzas in a kubeconfig.
type section string

const (
	clusters section = "clusters"
	contexts section = "contexts"
	users    section = "users"
)

var sections = [...]section{clusters, contexts, users}

const currentContext = "current-context"

// A document is a kubeconfig file as a tree. It can be changed in some places and written with
// everything else unchanged.
type document struct {
	source []byte
	node   yaml.Node  // the whole document; it contains root
	root   *yaml.Node // a mapping; nil if source contains only comments
	layout layout
}

// value returns the value of a key of the root, nil if there is none.
func (d *document) value(key string) *yaml.Node {
	_, value := d.pair(key)
	return value
}

func (d *document) pair(key string) (name, value *yaml.Node) {
	if d.root == nil {
		return nil, nil
	}
	for i := 0; i+1 < len(d.root.Content); i += 2 {
		if d.root.Content[i].Value == key {
			return d.root.Content[i], d.root.Content[i+1]
		}
	}
	return nil, nil
}

// items returns the stanzas of a section, nil if it is missing or null.
func (d *document) items(s section) []*yaml.Node {
	if list := d.value(string(s)); list != nil {
		return list.Content
	}
	return nil
}

// holds reports whether a section has a stanza with this name.
func (d *document) holds(s section, name string) bool {
	return slices.ContainsFunc(d.items(s), named(name))
}

// mentions reports whether remove would change anything for this name.
func (d *document) mentions(name string) bool {
	for _, s := range sections {
		if d.holds(s, name) {
			return true
		}
	}
	return d.currentContext() == name
}

func (d *document) currentContext() string {
	if value := d.value(currentContext); value != nil && value.Kind == yaml.ScalarNode && value.ShortTag() != "!!null" {
		return value.Value
	}
	return ""
}

// setEntry adds the entry's stanza to a section. It replaces the first stanza with the same name, and
// removes others with that name.
func (d *document) setEntry(s section, e Entry) error {
	d.ensureRoot()
	stanza, err := e.stanza(s)
	if err != nil {
		return err
	}
	d.layout.dress(stanza)
	list := d.list(s)
	at := slices.IndexFunc(list.Content, named(e.Name))
	if at < 0 {
		list.Content = append(list.Content, stanza)
		return nil
	}
	old := list.Content[at]
	stanza.HeadComment, stanza.LineComment, stanza.FootComment = old.HeadComment, old.LineComment, old.FootComment
	list.Content[at] = stanza
	// kubectl refuses a file with two stanzas of one name.
	rest := slices.DeleteFunc(list.Content[at+1:], named(e.Name))
	list.Content = list.Content[:at+1+len(rest)]
	return nil
}

// remove removes the stanzas with this name, and the current context if it has this name.
func (d *document) remove(name string) {
	for _, s := range sections {
		if d.holds(s, name) {
			key, list := d.pair(string(s))
			list.Content = slices.DeleteFunc(list.Content, named(name))
			if len(list.Content) == 0 && key.LineComment != "" {
				// Between a key and its [], the YAML package would write the comment on a separate
				// line, and the [] on the next, where it is invalid.
				list.LineComment, key.LineComment = key.LineComment, ""
			}
		}
	}
	if d.currentContext() == name {
		d.setCurrentContext("")
	}
}

func (d *document) setCurrentContext(name string) {
	d.ensureRoot()
	d.set(currentContext, scalar(name))
}

// list returns a section's list for a new item. It creates the list if it is missing or null.
func (d *document) list(s section) *yaml.Node {
	key, list := d.pair(string(s))
	if list == nil || list.Kind != yaml.SequenceNode {
		d.set(string(s), emptyList())
		key, list = d.pair(string(s))
	}
	if len(list.Content) == 0 && !d.layout.json {
		list.Style &^= yaml.FlowStyle // changes [] into a list with one item a line
		if list.LineComment != "" {
			key.LineComment, list.LineComment = list.LineComment, ""
		}
	}
	return list
}

// set sets a key of the root to a new value, and keeps its comments.
func (d *document) set(key string, value *yaml.Node) {
	d.layout.dress(value)
	if old := d.value(key); old != nil {
		value.HeadComment, value.LineComment, value.FootComment = old.HeadComment, old.LineComment, old.FootComment
		*old = *value
		return
	}
	name := scalar(key)
	d.layout.dress(name)
	d.root.Content = append(d.root.Content, name, value)
}

// ensureRoot fills an empty file with what kubectl writes into a new file.
func (d *document) ensureRoot() {
	if d.root != nil {
		return
	}
	d.root = &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
	d.node = yaml.Node{Kind: yaml.DocumentNode, Content: []*yaml.Node{d.root}}
	d.set("apiVersion", scalar("v1"))
	d.set(string(clusters), emptyList())
	d.set(string(contexts), emptyList())
	d.set(currentContext, scalar(""))
	d.set("kind", scalar("Config"))
	d.set(string(users), emptyList())
}

func emptyList() *yaml.Node {
	return &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq", Style: yaml.FlowStyle}
}

// others returns all fields and stanzas without those of this name, decoded. It also leaves out
// empty sections and the current context.
func (d *document) others(name string) (map[any]any, error) {
	fields := map[any]any{}
	if err := d.node.Decode(&fields); err != nil {
		return nil, plainError(err)
	}
	delete(fields, currentContext)
	for _, s := range sections {
		delete(fields, string(s))
		var kept []any
		for _, item := range d.items(s) {
			if named(name)(item) {
				continue
			}
			var decoded any
			if err := item.Decode(&decoded); err != nil {
				return nil, plainError(err)
			}
			kept = append(kept, decoded)
		}
		if kept != nil {
			fields[string(s)] = kept
		}
	}
	return fields, nil
}

// named returns a function that matches stanzas with this name. It decodes a stanza, because its
// name may be an alias or merged.
func named(name string) func(*yaml.Node) bool {
	return func(stanza *yaml.Node) bool {
		var fields struct {
			Name any `yaml:"name"`
		}
		if err := stanza.Decode(&fields); err != nil {
			return false // not a mapping, so not from mkube
		}
		return fields.Name == any(name)
	}
}

// scalar returns a string as a node. Encode quotes it if YAML 1.1, which kubectl uses, would read
// another type.
func scalar(value string) *yaml.Node {
	var node yaml.Node
	if err := node.Encode(value); err != nil {
		node = yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: value, Style: yaml.DoubleQuotedStyle}
	}
	return &node
}
