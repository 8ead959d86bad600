package component_test

import (
	"context"
	"reflect"
	"strings"
	"testing"

	"github.com/pelletier/go-toml/v2"

	"github.com/mkube/mkube/internal/testing/componenttest"
	"github.com/mkube/mkube/internal/testing/fake"
	"github.com/mkube/mkube/pkg/component/containerd"
	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/provider"
)

func TestContainerdGolden(t *testing.T) {
	t.Parallel()
	componenttest.Golden(t, containerd.New(),
		componenttest.Variant{Name: "patches", Config: config.Cluster{ContainerdConfigPatches: []string{
			"[plugins.\"io.containerd.cri.v1.images\".registry]\nconfig_path = \"/else\"\n",
			"[debug]\nlevel = \"debug\"\n[plugins.\"io.containerd.cri.v1.images\"]\nsnapshotter = \"native\"\n",
		}}},
		componenttest.Variant{Name: "proxy", Config: config.Cluster{
			Proxy:      &config.Proxy{HTTPSProxy: `http://user:"$\'@proxy.example.com:3128`, NoProxy: "example.com, localhost,10.0.0.0/8"},
			Networking: config.Networking{IPFamily: config.DualStack},
		}},
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
		"a list is replaced, not grown":      {[]string{`disabled_plugins = ["io.containerd.nri.v1.nri"]`}, []string{"disabled_plugins"}, []any{"io.containerd.nri.v1.nri"}},
		"a plugin with settings is enabled":  {[]string{"disabled_plugins = ['a', 'io.containerd.snapshotter.v1.erofs']", "[plugins.'io.containerd.snapshotter.v1.erofs']\nmax_unmerged_layers = 1"}, []string{"disabled_plugins"}, []any{"a"}},
		"what a node found out stays":        {[]string{`imports = ["/a"]`}, []string{"imports"}, []any{"/a", "/run/mkube/containerd*.toml"}},
		"a table is merged":                  {[]string{"[plugins.new]\na = 1"}, []string{"plugins", "io.containerd.cri.v1.images", "snapshotter"}, "overlayfs"},
		"a table takes a value's place":      {[]string{"[root]\na = 1"}, []string{"root", "a"}, int64(1)},
		"the version stays":                  {[]string{"version = 2"}, []string{"version"}, int64(3)},
		"old words are translated":           {[]string{"version = 2\n[plugins.'io.containerd.grpc.v1.cri'.containerd]\nsnapshotter = 'native'"}, []string{"plugins", "io.containerd.cri.v1.images", "snapshotter"}, "native"},
		"a runtime beside the own":           {[]string{"[plugins.'io.containerd.grpc.v1.cri'.containerd.runtimes.other]\nruntime_type = 'x'"}, []string{"plugins", "io.containerd.cri.v1.runtime", "containerd", "runtimes", "runc", "runtime_type"}, "io.containerd.runc.v2"},
		"mirrors, and no folder of them":     {[]string{mirror}, []string{"plugins", "io.containerd.cri.v1.images", "registry", "config_path"}, nil},
		"a folder without mirrors":           {[]string{"[debug]\nlevel = 'debug'"}, []string{"plugins", "io.containerd.cri.v1.images", "registry", "config_path"}, "/etc/containerd/certs.d"},
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
			if !reflect.DeepEqual(got, test.want) {
				t.Errorf("%v is %v; want %v", test.path, got, test.want)
			}
		})
	}
}

// mirror is the patch that users of kind write for a registry on the host.
const mirror = `[plugins."io.containerd.grpc.v1.cri".registry.mirrors."localhost:5001"]
endpoint = ["http://registry:5000"]
`

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
