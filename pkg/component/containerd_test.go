package component_test

import (
	"context"
	"strings"
	"testing"

	"github.com/pelletier/go-toml/v2"

	"github.com/mkube/mkube/pkg/component/componenttest"
	"github.com/mkube/mkube/pkg/component/containerd"
	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/provider"
	"github.com/mkube/mkube/pkg/provider/fake"
)

func TestContainerdGolden(t *testing.T) {
	t.Parallel()
	componenttest.Golden(t, containerd.New(),
		componenttest.Variant{Name: "patches", Config: config.Cluster{ContainerdConfigPatches: []string{
			"[plugins.\"io.containerd.cri.v1.images\".registry]\nconfig_path = \"/else\"\n",
			"[debug]\nlevel = \"debug\"\n[plugins.\"io.containerd.cri.v1.images\"]\nsnapshotter = \"native\"\n",
		}}},
	)
}

func TestContainerdDescribed(t *testing.T) {
	t.Parallel()
	componenttest.Described(t, containerd.New())
}

func TestContainerdConfig(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		patches []string
		path    []string
		want    any
	}{
		"a list is replaced, not grown":      {[]string{`imports = ["/a"]`}, []string{"imports"}, []any{"/a"}},
		"a table is merged":                  {[]string{"[plugins.new]\na = 1"}, []string{"plugins", "io.containerd.cri.v1.images", "snapshotter"}, "overlayfs"},
		"a table takes a value's place":      {[]string{"[version]\na = 1"}, []string{"version", "a"}, int64(1)},
		"a value takes a table's place":      {[]string{"plugins = 1"}, []string{"plugins"}, int64(1)},
		"the last patch wins":                {[]string{"root = \"/a\"", "root = \"/b\""}, []string{"root"}, "/b"},
		"an empty patch is none":             {[]string{"", "# nothing\n"}, []string{"version"}, int64(3)},
		"the sandbox image is the preloaded": {nil, []string{"plugins", "io.containerd.cri.v1.images", "pinned_images", "sandbox"}, "registry.k8s.io/pause:3.10.2"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			data, err := containerd.Config(fake.Versions, test.patches)
			if err != nil {
				t.Fatal(err)
			}
			var got any
			if err := toml.Unmarshal(data, &got); err != nil {
				t.Fatal(err)
			}
			for _, key := range test.path {
				table, _ := got.(map[string]any)
				got = table[key]
			}
			if !equal(got, test.want) {
				t.Errorf("%v is %v; want %v", test.path, got, test.want)
			}
		})
	}
}

func equal(a, b any) bool {
	left, isList := a.([]any)
	right, wantList := b.([]any)
	if isList && wantList && len(left) == 1 && len(right) == 1 {
		return left[0] == right[0]
	}
	return !isList && !wantList && a == b
}

func TestContainerdBadPatch(t *testing.T) {
	t.Parallel()
	_, err := containerd.Config(provider.Versions{}, []string{"", "a = = 1"})
	if got := componenttest.Message(err); !strings.HasPrefix(got, "reading containerdConfigPatches[1]: ") {
		t.Errorf("Config = %s", got)
	}
}

func TestContainerdStartAndReady(t *testing.T) {
	t.Parallel()
	code := 0
	cl := componenttest.ClusterOf(t, config.Cluster{}, &fake.Provider{Answer: func([]string) (string, int, bool) { return "", code, true }})
	c, n, ctx := containerd.New(), cl.Nodes[0], context.Background()
	if got := componenttest.Message(c.Start(ctx, cl, n)) + componenttest.Message(c.Ready(ctx, cl, n)); got != "" {
		t.Errorf("Start, Ready = %s", got)
	}
	code = 3
	const want = "starting containerd.service: exit code 3"
	if start, ready := componenttest.Message(c.Start(ctx, cl, n)), componenttest.Message(c.Ready(ctx, cl, n)); start != want || ready != want {
		t.Errorf("Start, Ready = %s, %s; want %s", start, ready, want)
	}
}
