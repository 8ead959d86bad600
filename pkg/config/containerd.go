package config

import (
	_ "embed"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/pelletier/go-toml/v2"

	"github.com/mkube/mkube/pkg/suggest"
)

// The plugins of containerd that contain the configuration of the CRI. containerd 1 has all of it
// in criServer. containerd 2 divides it into the parts for the server, images and containers.
const (
	criServer  = "io.containerd.grpc.v1.cri"
	criImages  = "io.containerd.cri.v1.images"
	criRuntime = "io.containerd.cri.v1.runtime"
)

//go:embed containerd.toml
var containerdFields string

var containerdSchema = sync.OnceValues(func() (table, error) { return parseTOML(containerdFields) })

// table is a TOML table.
type table = map[string]any

func parseTOML(text string) (table, error) {
	t := table{}
	return t, toml.Unmarshal([]byte(text), &t)
}

// ContainerdPatch parses one of a cluster's containerd patches. It returns a patch of version 3,
// which is the version on nodes, and translates the fields of versions 1 and 2.
func ContainerdPatch(text string) (map[string]any, error) {
	patch, err := parseTOML(text)
	if err != nil {
		return nil, err
	}
	if err := toVersion3(patch); err != nil {
		return nil, err
	}
	return patch, nil
}

func (m *mistakes) containerdConfigPatches(patches []string) {
	var mirrors, configPath string
	for i, patch := range patches {
		path := itemPath("containerdConfigPatches", i)
		if problem := tomlProblem(patch); problem != "" {
			m.addf(path, "is not TOML: %s", problem)
			continue
		}
		if !m.printable(path, patch, "\r\n\t") {
			continue
		}
		read, err := ContainerdPatch(patch)
		if err != nil {
			m.addf(path, "%v", err)
			continue
		}
		m.containerdPatch(path, patch, read)
		registry := Registry(read)
		if registry["mirrors"] != nil {
			mirrors = path
		}
		if value, ok := registry["config_path"].(string); ok && value != "" {
			configPath = path
		}
	}
	if mirrors != "" && configPath != "" {
		m.addf(mirrors, "sets registry.mirrors, and %s sets registry.config_path: containerd refuses to start with both; write the mirrors into config_path's folder, as HOST/hosts.toml", configPath)
	}
}

// Registry returns the registry table of a patch, nil if there is none.
func Registry(patch map[string]any) map[string]any {
	return subtable(patch, "plugins", criImages, "registry")
}

// subtable returns a table within a table, nil if there is none.
func subtable(t table, keys ...string) table {
	for _, key := range keys {
		t, _ = t[key].(table)
	}
	return t
}

// containerdPatch reports what containerd would ignore or refuse, and changes of fields on which
// the node relies.
func (m *mistakes) containerdPatch(path, text string, patch table) {
	schema, err := containerdSchema()
	if err != nil {
		m.addf(path, "cannot be compared with containerd's fields: %v", err)
		return
	}
	c := &fieldCheck{text: text, note: func(problem string) { m.addf(path, "%s", problem) }}
	c.table("", patch, schema)
	for _, fixed := range [...]struct {
		keys []string
		why  string
	}{
		{[]string{"root"}, "the preloaded images are in containerd's own folder"},
		{[]string{"grpc", "address"}, "the kubelet uses containerd's own socket"},
		{[]string{"plugins", "io.containerd.server.v1.grpc", "address"}, "the kubelet uses containerd's own socket"},
	} {
		last := len(fixed.keys) - 1
		if _, set := subtable(patch, fixed.keys[:last]...)[fixed.keys[last]]; set {
			c.report(fixed.keys[last], "%s cannot be changed: %s", joinKeys(fixed.keys), fixed.why)
		}
	}
	for _, list := range []string{"disabled_plugins", "required_plugins"} {
		c.plugins(list, patch[list])
	}
}

// A fieldCheck compares a patch with the fields of containerd.
type fieldCheck struct {
	text  string
	note  func(problem string)
	noted int
}

// mostNoted is the maximum number of problems that are reported for a patch. report searches the
// patch for the line of each, which would take long for very many.
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
			c.report(key, "containerd has no field %s, and would ignore it%s", at, hint(key, schema))
		}
	}
}

// hint returns a suggestion for an unknown field.
func hint(key string, schema table) string {
	if key == "tls" {
		return ": write HOST/hosts.toml into the folder that registry.config_path names"
	}
	return suggest.DidYouMean(key, slices.Sorted(maps.Keys(schema)))
}

func (c *fieldCheck) value(path, key string, value, want any) {
	got, wanted := kindOf(value), kindOf(want)
	if got == "an integer" && wanted == "a float" {
		return
	}
	if got != wanted {
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

// plugins checks a list of plugin names.
func (c *fieldCheck) plugins(list string, value any) {
	names, _ := value.([]any) // table reports another type
	for _, v := range names {
		name, _ := v.(string)
		switch {
		case !strings.Contains(name, "."):
			c.report(list, "%s must have full names such as io.containerd.nri.v1.nri, not %s", list, quote(name))
		case list == "disabled_plugins" && slices.Contains([]string{criServer, criImages, criRuntime}, name):
			c.report(list, "plugin %s cannot be disabled: the kubelet needs it", name)
		}
	}
}

// kindOf returns the type of a TOML value in words.
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

var errVersion = errors.New("has a version that containerd 2 does not read: remove version, or set it to 2 or 3")
