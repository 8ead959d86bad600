package config

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/mkube/mkube/pkg/suggest"
)

// A decoder sets Go values from YAML nodes. It reports all mistakes instead of only the first one,
// and records the line of every field for mistakes that are found later.
type decoder struct {
	mistakes mistakes
	lines    map[string]int
}

// addf reports a mistake at a line. The sentence contains the name of the field.
func (d *decoder) addf(path string, line int, format string, args ...any) {
	d.mistakes = append(d.mistakes, mistake{path, line, fmt.Sprintf(format, args...)})
}

// unseen returns the later mistakes, with their lines, but without the consequences of mistakes
// that the decoder has reported: a port that is not a number is not also reported as missing.
func (d *decoder) unseen(later mistakes) mistakes {
	noted := map[string]bool{}
	for _, m := range d.mistakes {
		noted[m.path] = true
	}
	var kept mistakes
	for _, m := range later {
		follows := false
		for path := range ancestors(m.path) {
			follows = follows || noted[path]
			if m.line == 0 {
				m.line = d.lines[path]
			}
		}
		if !follows {
			kept = append(kept, m)
		}
	}
	return kept
}

// value decodes a node into v, which must be zero.
func (d *decoder) value(n *yaml.Node, v reflect.Value, path string) {
	if n.Kind == yaml.AliasNode {
		d.alias(n, path)
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		d.structure(n, v, path)
	case reflect.Map:
		d.table(n, v, path)
	case reflect.Slice:
		d.list(n, v, path)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		d.value(n, v.Elem(), path)
	default:
		d.scalar(n, v, path)
	}
}

// alias reports an alias as a mistake. A configuration is short enough to write everything out, and
// without aliases no small file can expand to a huge value.
func (d *decoder) alias(n *yaml.Node, path string) {
	d.addf(path, n.Line, "YAML aliases such as *%s are not supported: write the value out", n.Value)
}

func (d *decoder) structure(n *yaml.Node, v reflect.Value, path string) {
	names := fieldNames(v.Type())
	d.pairs(n, v, path, func(key, value *yaml.Node) {
		at := fieldPath(path, key.Value)
		for i, name := range names {
			if name != key.Value {
				continue
			}
			if !isNull(value) { // an empty value sets nothing
				d.value(value, v.Field(i), at)
			}
			return
		}
		d.unknown(key, path, names)
	})
}

// unknown reports an unknown field. If the user probably meant another field, the mistake is
// recorded for that field, so that it is not also reported as missing.
func (d *decoder) unknown(key *yaml.Node, path string, names []string) {
	in := ""
	if path != "" {
		in = " in " + path
	}
	if meant := suggest.Closest(key.Value, names); meant != "" {
		d.addf(fieldPath(path, meant), key.Line, "unknown field %s%s: did you mean %s?", quote(key.Value), in, quote(meant))
		return
	}
	d.addf(keyPath(path, key.Value), key.Line, "unknown field %s%s: the fields are %s", quote(key.Value), in, strings.Join(names, ", "))
}

func (d *decoder) table(n *yaml.Node, v reflect.Value, path string) {
	v.Set(reflect.MakeMap(v.Type()))
	nested := v.Type().Elem().Kind() == reflect.Map
	d.pairs(n, v, path, func(key, value *yaml.Node) {
		element := reflect.New(v.Type().Elem()).Elem()
		if !nested || !isNull(value) {
			d.value(value, element, keyPath(path, key.Value))
		}
		v.SetMapIndex(reflect.ValueOf(key.Value), element)
	})
}

// pairs calls f once with each key of a mapping, and its value.
func (d *decoder) pairs(n *yaml.Node, v reflect.Value, path string, f func(key, value *yaml.Node)) {
	if n.Kind != yaml.MappingNode {
		d.wrongType(n, v, path)
		return
	}
	seen := map[string]int{}
	for i := 0; i < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if !d.key(key, value, path) {
			continue
		}
		at := keyPath(path, key.Value)
		if first, duplicate := seen[key.Value]; duplicate {
			d.addf(at, key.Line, "%s is set twice: first on line %d", at, first)
			continue
		}
		seen[key.Value] = key.Line
		d.lines[at] = key.Line
		f(key, value)
	}
}

// maxKey is the maximum length of a valid key, which is that of a label:
// https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set.
const maxKey = 253 + 1 + 63

// key reports whether the key of a mapping can be used, and adds a mistake if not.
func (d *decoder) key(key, value *yaml.Node, path string) bool {
	switch {
	case key.Kind == yaml.AliasNode:
		d.alias(key, path)
	case key.ShortTag() == "!!merge" && value.Kind == yaml.AliasNode:
		d.alias(value, path)
	case key.Kind != yaml.ScalarNode || isNull(key):
		d.addf(path, key.Line, "a key%s must be a string, not %s", within(path), describe(key))
	case len(key.Value) > maxKey:
		d.addf(path, key.Line, "a key%s is too long: %s", within(path), quote(key.Value))
	default:
		return true
	}
	return false
}

func (d *decoder) list(n *yaml.Node, v reflect.Value, path string) {
	if n.Kind != yaml.SequenceNode {
		d.wrongType(n, v, path)
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content)))
	for i, item := range n.Content {
		at := itemPath(path, i)
		d.lines[at] = item.Line
		d.value(item, v.Index(i), at)
	}
}

func (d *decoder) scalar(n *yaml.Node, v reflect.Value, path string) {
	ok := n.Kind == yaml.ScalarNode
	switch tag := n.ShortTag(); v.Kind() {
	case reflect.String:
		// A value that YAML parses as a number is kept as written: the flag value 1.10 is not 1.1.
		ok = ok && slices.Contains([]string{"!!str", "!!int", "!!float", "!!bool", "!!timestamp", "!!merge"}, tag)
		v.SetString(n.Value)
	case reflect.Bool:
		var b bool
		ok = ok && tag == "!!bool" && n.Decode(&b) == nil
		v.SetBool(b)
	case reflect.Int32:
		var i int64
		ok = ok && tag == "!!int" && n.Decode(&i) == nil && i >= math.MinInt32 && i <= math.MaxInt32
		v.SetInt(i)
	}
	if !ok {
		v.SetZero()
		d.wrongType(n, v, path)
	}
}

// wrongType reports the expected and the actual type of a field, at the line of the field.
func (d *decoder) wrongType(n *yaml.Node, v reflect.Value, path string) {
	wanted := map[reflect.Kind]string{
		reflect.Struct: "a mapping",
		reflect.Map:    "a mapping",
		reflect.Slice:  "a list",
		reflect.String: "a string",
		reflect.Bool:   "true or false",
		reflect.Int32:  "a whole number of at most 32 bits",
	}[v.Kind()]
	subject := path
	if path == "" {
		subject = "the document"
	}
	d.addf(path, d.lines[path], "%s must be %s, not %s", subject, wanted, describe(n))
}

// describe returns a node's type and value in words.
func describe(n *yaml.Node) string {
	switch tag := n.ShortTag(); {
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case n.Kind == yaml.MappingNode:
		return "a mapping"
	case tag == "!!null":
		return "empty"
	case tag == "!!str":
		return "the string " + quote(n.Value)
	case tag == "!!int" || tag == "!!float":
		return "the number " + strings.Trim(quote(n.Value), `"`)
	case tag == "!!bool":
		return "the boolean " + strings.Trim(quote(n.Value), `"`)
	default:
		return "the " + strings.TrimLeft(strings.Trim(quote(tag), `"`), "!") + " " + quote(n.Value)
	}
}

func isNull(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null"
}

// within returns " of PATH", or "" for the whole file.
func within(path string) string {
	if path == "" {
		return ""
	}
	return " of " + path
}

// fieldNames returns the YAML names of a struct's fields, in the order of the fields.
func fieldNames(t reflect.Type) []string {
	names := make([]string, t.NumField())
	for i := range names {
		names[i], _, _ = strings.Cut(t.Field(i).Tag.Get("json"), ",")
	}
	return names
}
