package config

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"github.com/mkube/mkube/pkg/names"
	"github.com/mkube/mkube/pkg/suggest"
)

// table is a TOML table, or a YAML mapping.
type table = map[string]any

func parseTOML(text string) (table, error) {
	t := table{}
	return t, toml.Unmarshal([]byte(text), &t)
}

// A fieldCheck compares a document of a user with the fields of the program that reads it. In the
// fields, '*' stands for any name, {} for any table, and the value '*' for any value.
type fieldCheck struct {
	program string
	// mapping is the word for a table in the language of the document.
	mapping string
	text    string
	note    func(problem string)
	noted   int
}

// A fixedField is a field that no patch may set.
type fixedField struct {
	keys []string
	why  string
}

// fixed reports the fields of a patch that cannot be changed.
func (c *fieldCheck) fixed(patch table, list []fixedField) {
	for _, f := range list {
		last := len(f.keys) - 1
		if _, set := subtable(patch, f.keys[:last]...)[f.keys[last]]; set {
			c.report(f.keys[last], "%s cannot be changed: %s", joinKeys(f.keys), f.why)
		}
	}
}

// mostNoted is the maximum number of problems that are reported for a document. report searches the
// document for the line of each, which would take long for very many.
const mostNoted = 20

// report reports a problem with a key, and the line on which the key seems to be.
func (c *fieldCheck) report(key, format string, args ...any) {
	if c.noted++; c.noted > mostNoted {
		return
	}
	problem := fmt.Sprintf(format, args...)
	word := regexp.MustCompile(`(^|[^\w-])` + regexp.QuoteMeta(key) + `($|[^\w-])`)
	for i, line := range strings.Split(c.text, "\n") {
		if word.MatchString(line) {
			problem = problemAt(c.text, i+1, problem)
			break
		}
	}
	c.note("cannot be used: " + problem)
}

func (c *fieldCheck) table(path string, patch, schema table) {
	if len(schema) == 0 {
		return // any table
	}
	for _, key := range slices.Sorted(maps.Keys(patch)) {
		want, known := schema[key]
		if !known {
			want, known = schema["*"]
		}
		at := joinKeys([]string{path, quoteKey(key)})
		switch {
		case known:
			c.value(at, key, patch[key], want)
		case path == "plugins":
			c.report(key, "a node's containerd has no configuration of a plugin %s%s", quote(key), suggest.DidYouMean(key, slices.Sorted(maps.Keys(schema))))
		default:
			c.report(key, "%s has no field %s, and would %s it%s", c.program, at, c.deals(), hint(key, schema))
		}
	}
}

// deals returns what the program does with an unknown field.
func (c *fieldCheck) deals() string {
	if c.program == names.KubeAPIServer {
		return "refuse"
	}
	return "ignore"
}

// hint returns a suggestion for an unknown field.
func hint(key string, schema table) string {
	if key == "tls" {
		return ": write HOST/hosts.toml into the folder that registry.config_path names"
	}
	return suggest.DidYouMean(key, slices.Sorted(maps.Keys(schema)))
}

func (c *fieldCheck) value(path, key string, value, want any) {
	got, wanted := c.kind(value), c.kind(want)
	switch {
	case value == nil || want == "*":
		return
	case got == "an integer" && wanted == "a float":
		return
	case got != wanted:
		c.report(key, "%s must be %s, not %s", path, wanted, got)
		return
	}
	switch want := want.(type) {
	case table:
		c.table(path, value.(table), want)
	case []any:
		for _, item := range value.([]any) {
			c.value(path+"[]", key, item, want[0])
		}
	}
}

// kind returns the type of a value in the words of the document's language.
func (c *fieldCheck) kind(v any) string {
	if _, ok := v.(table); ok {
		return c.mapping
	}
	return kindOf(v)
}

// kindOf returns the type of a value in words.
func kindOf(v any) string {
	switch v.(type) {
	case table:
		return "a table"
	case []any:
		return "a list"
	case string:
		return "a string"
	case bool:
		return "true or false"
	case int64:
		return "an integer"
	case float64:
		return "a float"
	}
	return "a date or time"
}

var bareKey = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

// quoteKey returns a key in the syntax of TOML.
func quoteKey(key string) string {
	if bareKey.MatchString(key) {
		return key
	}
	return quote(key)
}

func joinKeys(keys []string) string {
	return strings.TrimPrefix(strings.Join(keys, "."), ".")
}

// subtable returns a table within a table, nil if there is none.
func subtable(t table, keys ...string) table {
	for _, key := range keys {
		t, _ = t[key].(table)
	}
	return t
}
