// Package docs tests that the documentation matches the code.
package docs

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/mkube/mkube/pkg/config"
)

// TestExampleLoads checks that the example is a valid configuration.
func TestExampleLoads(t *testing.T) {
	t.Parallel()
	f, err := os.Open("example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := config.Load(f, "example.yaml", ""); err != nil {
		t.Error(err)
	}
}

// TestExampleHasEveryField checks that the example has every field of a configuration.
func TestExampleHasEveryField(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var example any
	if err := yaml.Unmarshal(data, &example); err != nil {
		t.Fatal(err)
	}
	if missing := missingFields(reflect.TypeFor[config.Cluster](), example, ""); len(missing) > 0 {
		t.Errorf("example.yaml lacks %s", strings.Join(missing, ", "))
	}
}

// missingFields returns the paths of a type's fields that a value lacks. The items of a list, and
// the values of a map, have their fields together.
func missingFields(t reflect.Type, value any, path string) []string {
	fields, _ := value.(map[string]any)
	switch t.Kind() {
	case reflect.Map:
		for key, item := range fields {
			return missingFields(t.Elem(), item, path+"."+key)
		}
	case reflect.Slice:
		fields = map[string]any{}
		list, _ := value.([]any)
		for _, item := range list {
			more, _ := item.(map[string]any)
			maps.Copy(fields, more)
		}
		return missingFields(t.Elem(), fields, path+"[]")
	}
	if t.Kind() != reflect.Struct {
		return nil
	}
	var missing []string
	for i := range t.NumField() {
		name := fieldName(t.Field(i))
		at := strings.TrimPrefix(path+"."+name, ".")
		if field, ok := fields[name]; ok {
			missing = append(missing, missingFields(t.Field(i).Type, field, at)...)
		} else {
			missing = append(missing, at)
		}
	}
	return missing
}

func fieldName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return name
}

// TestExampleSaysDefaultsRightly compares each line that ends in "# default" with the default of a
// configuration.
func TestExampleSaysDefaultsRightly(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	line := regexp.MustCompile(`^ *-? *(\w+): (\S+) # default(;.*)?$`)
	var got []string
	for l := range strings.Lines(string(data)) {
		if m := line.FindStringSubmatch(strings.TrimRight(l, "\n")); m != nil {
			got = append(got, m[1]+": "+m[2])
		}
	}
	c := config.Cluster{Nodes: []config.Node{{ExtraPortMappings: []config.PortMapping{{}}}}}.Default().PublishedAt(config.Loopback)
	want := []string{
		"role: " + string(c.Nodes[0].Role),
		"image: mkube/node:v1.37.2", // the build sets it, and not the configuration
		"listenAddress: " + c.Nodes[0].ExtraPortMappings[0].ListenAddress,
		"protocol: " + c.Nodes[0].ExtraPortMappings[0].Protocol,
		"apiServerAddress: " + c.Networking.APIServerAddress,
		"ipFamily: " + string(c.Networking.IPFamily),
		"podSubnet: " + c.Networking.PodSubnet,
		"serviceSubnet: " + c.Networking.ServiceSubnet,
		"dnsDomain: " + c.Networking.DNSDomain,
		"kubeProxyMode: " + string(c.Networking.KubeProxyMode),
		fmt.Sprintf("disableDefaultCNI: %t", c.Networking.DisableDefaultCNI),
		fmt.Sprintf("cloudControllerManager: %t", c.HasCloudControllerManager()),
	}
	if !slices.Equal(got, want) {
		t.Errorf("example.yaml has these defaults:\n%s\nbut they are:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestConfigurationTellsOfEveryField checks that the page has a row for each field, and no row for
// an unknown field.
func TestConfigurationTellsOfEveryField(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range regexp.MustCompile("(?m)^\\| `(\\w+)` \\|").FindAllStringSubmatch(string(data), -1) {
		got = append(got, m[1])
	}
	want := fieldNames(reflect.TypeFor[config.Cluster]())
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("configuration.md has rows for\n%v\nbut the fields are\n%v", got, want)
	}
}

// fieldNames returns the names of all fields of a type and of the types in it.
func fieldNames(t reflect.Type) []string {
	for t.Kind() == reflect.Slice || t.Kind() == reflect.Pointer || t.Kind() == reflect.Map {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return nil
	}
	var names []string
	for i := range t.NumField() {
		names = append(names, fieldName(t.Field(i)))
		names = append(names, fieldNames(t.Field(i).Type)...)
	}
	return names
}

// TestComponentsAreNamed checks that the list of extraArgs is that of the code.
func TestComponentsAreNamed(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	if want := "The components are " + strings.Join(config.Components(), ", ") + "."; !strings.Contains(string(data), want) {
		t.Errorf("configuration.md does not say %q", want)
	}
}

// TestLinksLead checks that every relative link of the documentation names a file, and its anchor
// a heading of that file.
func TestLinksLead(t *testing.T) {
	t.Parallel()
	pages, err := filepath.Glob("*.md")
	if err != nil {
		t.Fatal(err)
	}
	rooted, err := filepath.Glob("../*.md")
	if err != nil {
		t.Fatal(err)
	}
	if len(pages) < 10 || len(rooted) < 2 {
		t.Fatalf("there are only the pages %q and %q", pages, rooted)
	}
	link := regexp.MustCompile(`\]\(([^)#: ]*)(?:#([^) ]*))?\)`)
	for _, page := range append(pages, rooted...) {
		for _, m := range link.FindAllStringSubmatch(read(t, page), -1) {
			target := page
			if m[1] != "" {
				target = filepath.Join(filepath.Dir(page), m[1])
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s: %v", page, err)
			} else if m[2] != "" && !slices.Contains(anchors(read(t, target)), m[2]) {
				t.Errorf("%s: %s has no heading for #%s", page, target, m[2])
			}
		}
	}
}

// TestIndexHasEveryPage checks that docs/README.md lists each page.
func TestIndexHasEveryPage(t *testing.T) {
	t.Parallel()
	pages, err := filepath.Glob("*.md")
	if err != nil {
		t.Fatal(err)
	}
	index := read(t, "README.md")
	for _, page := range pages {
		if page != "README.md" && !strings.Contains(index, "]("+page) {
			t.Errorf("docs/README.md does not link %s", page)
		}
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// anchors returns the anchors that GitHub gives the headings of a page.
func anchors(page string) []string {
	var all []string
	for _, m := range regexp.MustCompile(`(?m)^#+ (.+)$`).FindAllStringSubmatch(page, -1) {
		name := strings.ReplaceAll(strings.ToLower(m[1]), " ", "-")
		all = append(all, regexp.MustCompile("[^a-z0-9_-]").ReplaceAllString(name, ""))
	}
	return all
}
