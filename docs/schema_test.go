package docs

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	schemas "github.com/invopop/jsonschema"
	validator "github.com/santhosh-tekuri/jsonschema/v6"
	"sigs.k8s.io/yaml"

	"github.com/mkube/mkube/pkg/config"
)

// sections maps the headings of configuration.md to the types whose fields their tables describe.
var sections = map[string]string{
	"## The cluster":                                         "Cluster",
	"## A node: `nodes[]`":                                   "Node",
	"### Resources: `nodes[].resources`":                     "Resources",
	"### Taints: `nodes[].taints[]`":                         "Taint",
	"### Mounts: `nodes[].extraMounts[]`":                    "Mount",
	"### Ports: `nodes[].extraPortMappings[]`":               "PortMapping",
	"## The networks: `networking`":                          "Networking",
	"### Files of a component: `extraFiles.COMPONENT[]`":     "ExtraFile",
	"### Volumes of a component: `extraVolumes.COMPONENT[]`": "ExtraVolume",
	"## The proxy: `proxy`":                                  "Proxy",
}

// values are the values of fields with a fixed set, by type and field.
var values = map[string][]any{
	"Cluster.apiVersion":       {config.APIVersion},
	"Cluster.kind":             {config.Kind},
	"Node.role":                {config.ControlPlane, config.Worker, config.LoadBalancer},
	"Taint.effect":             {"NoSchedule", "PreferNoSchedule", "NoExecute"},
	"Mount.propagation":        {"None", "HostToContainer", "Bidirectional"},
	"PortMapping.protocol":     {"TCP", "UDP", "SCTP"},
	"ExtraVolume.pathType":     {"DirectoryOrCreate", "Directory", "FileOrCreate", "File", "Socket", "CharDevice", "BlockDevice"},
	"Networking.ipFamily":      {config.IPv4, config.IPv6, config.DualStack},
	"Networking.kubeProxyMode": {config.ProxyNFTables, config.ProxyIPTables, config.ProxyNone},
}

// TestSchema compares schema.json with the types of a configuration and with the description of
// each field in configuration.md. The flag -update writes it.
func TestSchema(t *testing.T) {
	t.Parallel()
	s := (&schemas.Reflector{Anonymous: true}).ReflectFromType(reflect.TypeFor[config.Cluster]())
	s.Title, s.Description = "mkube cluster", "The configuration of an mkube cluster."
	described := descriptions(t)
	used := 0
	for name, definition := range s.Definitions {
		for field := definition.Properties.Oldest(); field != nil; field = field.Next() {
			lenient(field.Value)
			at := name + "." + field.Key
			if described[at] == "" {
				t.Errorf("configuration.md does not describe %s", at)
			}
			field.Value.Description = described[at]
			if list := values[at]; list != nil {
				field.Value.Enum = list
				used++
			}
		}
	}
	if used != len(values) {
		t.Errorf("%d fields have a fixed set of values, want %d", used, len(values))
	}
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	same(t, "schema.json", append(data, '\n'))
}

// lenient allows a map to be empty as in YAML, and its strings to have no quotes, as the loader
// does.
func lenient(s *schemas.Schema) {
	inner := s.AdditionalProperties
	if s.Type != "object" || inner == nil {
		return
	}
	if lenient(inner); inner.Type == "string" {
		inner = &schemas.Schema{AnyOf: []*schemas.Schema{{Type: "string"}, {Type: "number"}, {Type: "boolean"}}}
	}
	*s = schemas.Schema{AnyOf: []*schemas.Schema{{Type: "object", AdditionalProperties: inner}, {Type: "null"}}}
}

// descriptions returns the last column of the tables, as plain text, by type and field.
func descriptions(t *testing.T) map[string]string {
	t.Helper()
	row := regexp.MustCompile("^\\| `(\\w+)` \\| (.*) \\| (.*) \\|$")
	link := regexp.MustCompile(`\[([^\]]+)\]\([^)]*\)`)
	found, section := map[string]string{}, ""
	for line := range strings.Lines(read(t, "configuration.md")) {
		line = strings.TrimSuffix(line, "\n")
		if strings.HasPrefix(line, "#") {
			section = sections[line]
		}
		if m := row.FindStringSubmatch(line); m != nil && section != "" {
			text := link.ReplaceAllString(m[3], "$1")
			found[section+"."+m[1]] = strings.ReplaceAll(sentence(text)+" Default: "+sentence(link.ReplaceAllString(m[2], "$1")), "`", "")
		}
	}
	return found
}

// sentence ends a text with a period.
func sentence(s string) string { return strings.TrimSuffix(s, ".") + "." }

// TestSchemaAgrees checks that the schema accepts what mkube accepts, and rejects mistakes that it
// can detect.
func TestSchemaAgrees(t *testing.T) {
	t.Parallel()
	schema, err := validator.NewCompiler().Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	valid, err := filepath.Glob("../pkg/config/testdata/valid/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range append(valid, "example.yaml") {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(document(t, data)); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
	const head = "apiVersion: mkube.dev/v1alpha1\nkind: Cluster\n"
	for name, text := range map[string]string{
		"no kind":          "apiVersion: mkube.dev/v1alpha1\n",
		"another kind":     "apiVersion: mkube.dev/v1alpha1\nkind: Pod\n",
		"an unknown field": head + "node: []\n",
		"an unknown role":  head + "nodes: [{role: boss}]\n",
		"a wrong type":     head + "nodes: {role: worker}\n",
	} {
		if err := schema.Validate(document(t, []byte(text))); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}

// document returns a YAML document in the form that the validator accepts.
func document(t *testing.T, data []byte) any {
	t.Helper()
	text, err := yaml.YAMLToJSON(data)
	if err != nil {
		t.Fatal(err)
	}
	value, err := validator.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return value
}
