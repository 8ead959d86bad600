package component_test

import (
	"go/parser"
	"go/token"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"testing"
)

// directive matches a line of the Corefile that names a plugin.
var directive = regexp.MustCompile(`(?m)^        ([a-z]+)`)

// TestCorefilePlugins checks that the node image's CoreDNS has each plugin that the Corefile
// names. It does not have all plugins of upstream.
func TestCorefilePlugins(t *testing.T) {
	t.Parallel()
	main, err := parser.ParseFile(token.NewFileSet(), "../../node-image/coredns/main.go", nil, parser.ImportsOnly)
	if err != nil {
		t.Fatal(err)
	}
	var plugins []string
	for _, i := range main.Imports {
		name, err := strconv.Unquote(i.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		plugins = append(plugins, path.Base(name))
	}
	golden, err := os.ReadFile("coredns/testdata/default.golden")
	if err != nil {
		t.Fatal(err)
	}
	corefile := regexp.MustCompile(`(?s)  Corefile: \|\n(.*?)\n---`).FindSubmatch(golden)
	if corefile == nil {
		t.Fatalf("there is no Corefile in\n%s", golden)
	}
	named := directive.FindAllSubmatch(corefile[1], -1)
	if len(named) < 8 {
		t.Fatalf("the Corefile names only %q", named)
	}
	for _, match := range named {
		name := string(match[1])
		if name == "prometheus" {
			name = "metrics" // the name of the package that registers it
		}
		if !slices.Contains(plugins, name) {
			t.Errorf("the Corefile names the plugin %s, which is not built in", name)
		}
	}
}
