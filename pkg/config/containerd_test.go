package config

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/pelletier/go-toml/v2"
)

// TestContainerdPatch checks that fields of older versions of containerd are translated.
func TestContainerdPatch(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ patch, want string }{
		"version 3": {
			"version = 3\n[plugins.'io.containerd.cri.v1.images'.registry]\nconfig_path = '/x'",
			"[plugins.'io.containerd.cri.v1.images'.registry]\nconfig_path = '/x'",
		},
		"nothing": {"", ""},
		"kind's registry": {
			"[plugins.'io.containerd.grpc.v1.cri'.registry]\nconfig_path = '/etc/containerd/certs.d'",
			"[plugins.'io.containerd.cri.v1.images'.registry]\nconfig_path = '/etc/containerd/certs.d'",
		},
		"mirrors of version 1": {
			"[plugins.cri.registry.mirrors.'a:5000']\nendpoint = ['http://a:5000']",
			"[plugins.'io.containerd.cri.v1.images'.registry.mirrors.'a:5000']\nendpoint = ['http://a:5000']",
		},
		"all of the CRI": {
			`version = 2
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "pause:1"
max_concurrent_downloads = 9
stats_collect_period = 5
enable_cdi = true
stream_server_port = "10"
device_ownership_from_security_context = true
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "/b"
conf_dir = "/c"
[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "native"
discard_unpacked_layers = true
default_runtime_name = "x"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.x]
runtime_type = "io.containerd.x.v1"
sandbox_mode = "shim"
`,
			`[plugins."io.containerd.grpc.v1.cri"]
stream_server_port = "10"
[plugins."io.containerd.cri.v1.images"]
max_concurrent_downloads = 9
stats_collect_period = 5
snapshotter = "native"
discard_unpacked_layers = true
pinned_images = {sandbox = "pause:1"}
[plugins."io.containerd.cri.v1.runtime"]
device_ownership_from_security_context = true
cni = {bin_dirs = ["/b"], conf_dir = "/c"}
[plugins."io.containerd.cri.v1.runtime".containerd]
default_runtime_name = "x"
runtimes = {x = {runtime_type = "io.containerd.x.v1", sandboxer = "shim"}}
`,
		},
		"the new words go first": {
			"[plugins.'io.containerd.grpc.v1.cri'.registry]\nconfig_path = '/old'\nheaders = {a = ['b']}\n[plugins.'io.containerd.cri.v1.images'.registry]\nconfig_path = '/new'",
			"[plugins.'io.containerd.cri.v1.images'.registry]\nconfig_path = '/new'\nheaders = {a = ['b']}",
		},
		"a plugin that was renamed": {
			"[plugins.'io.containerd.internal.v1.restart']\ninterval = '1s'", "[plugins.'io.containerd.monitor.container.v1.restart']\ninterval = '1s'",
		},
		"plugins that are no table": {"plugins = 1", "plugins = 1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := ContainerdPatch(test.patch)
			want := map[string]any{}
			if wantErr := toml.Unmarshal([]byte(test.want), &want); wantErr != nil {
				t.Fatal(wantErr)
			}
			if err != nil || !reflect.DeepEqual(got, want) {
				text, _ := toml.Marshal(got)
				t.Errorf("got %v:\n%s\nwant\n%s", err, text, test.want)
			}
		})
	}
}

func TestContainerdPatchMistakes(t *testing.T) {
	t.Parallel()
	const use = "containerdConfigPatches[0] cannot be used: "
	for name, test := range map[string]struct {
		patches []string
		want    string // "" for none
	}{
		"nothing":                     {nil, ""},
		"an empty one":                {[]string{""}, ""},
		"kind's":                      {[]string{"[plugins.\"io.containerd.grpc.v1.cri\".registry]\n  config_path = \"/etc/containerd/certs.d\"\n"}, ""},
		"mirrors alone":               {[]string{"[plugins.cri.registry.mirrors.x]\nendpoint = ['y']"}, ""},
		"a runtime's own options":     {[]string{"[plugins.'io.containerd.grpc.v1.cri'.containerd.runtimes.runc.options]\nSystemdCgroup = true\nAny = {thing = 1}"}, ""},
		"a snapshotter":               {[]string{"[proxy_plugins.stargz]\ntype = 'snapshot'\naddress = '/run/x.sock'\n[plugins.'io.containerd.cri.v1.images']\nsnapshotter = 'stargz'\ndisable_snapshot_annotations = false"}, ""},
		"an integer for a float":      {[]string{"[plugins.'io.containerd.gc.v1.scheduler']\npause_threshold = 1"}, ""},
		"a newer version's plugin":    {[]string{"version = 4\n[plugins.'io.containerd.server.v1.metrics']\naddress = ':1'"}, ""},
		"a version of the future":     {[]string{"version = 5"}, "containerdConfigPatches[0] has a version that containerd 2 does not read: remove version, or set it to 2 or 3"},
		"a version that is no number": {[]string{"version = '2'"}, "containerdConfigPatches[0] has a version that containerd 2 does not read: remove version, or set it to 2 or 3"},
		"an unknown field":            {[]string{"\n[debug]\nlevle = 'debug'"}, use + `line 3 ("levle = 'debug'"): containerd has no field debug.levle, and would ignore it: did you mean "level"?`},
		"an unknown plugin":           {[]string{"[plugins.'io.containerd.cri.v1.image']\nsnapshotter = 'native'"}, use + `line 1 ("[plugins.'io.containerd.cri.v1.image']"): a node's containerd has no configuration of a plugin "io.containerd.cri.v1.image": did you mean "io.containerd.cri.v1.images"?`},
		"an unknown field of the CRI": {[]string{"[plugins.'io.containerd.grpc.v1.cri']\nsystemd_cgroup = true"}, use + `line 2 ("systemd_cgroup = true"): containerd has no field plugins."io.containerd.cri.v1.runtime".systemd_cgroup, and would ignore it`},
		"TLS of containerd 1":         {[]string{"[plugins.cri.registry.configs.x.tls]\ninsecure_skip_verify = true"}, use + `line 1 ("[plugins.cri.registry.configs.x.tls]"): containerd has no field plugins."io.containerd.cri.v1.images".registry.configs.x.tls, and would ignore it: write HOST/hosts.toml into the folder that registry.config_path names`},
		"a table for a value":         {[]string{"[state]\na = 1"}, use + `line 1 ("[state]"): state must be a string, not a table`},
		"a value for a table":         {[]string{"plugins = 1"}, use + `line 1 ("plugins = 1"): plugins must be a table, not an integer`},
		"a value for a CRI's table":   {[]string{"[plugins]\n'io.containerd.grpc.v1.cri' = true"}, use + `line 2 ("'io.containerd.grpc.v1.cri' = true"): plugins."io.containerd.grpc.v1.cri" must be a table, not true or false`},
		"a string for a number":       {[]string{"oom_score = '1'"}, use + `line 1 ("oom_score = '1'"): oom_score must be an integer, not a string`},
		"a number in a list":          {[]string{"imports = ['/a', 1]"}, use + `line 1 ("imports = ['/a', 1]"): imports[] must be a string, not an integer`},
		"a string for a list":         {[]string{"[plugins.cri.registry.mirrors.x]\nendpoint = 'http://y'"}, use + `line 2 ("endpoint = 'http://y'"): plugins."io.containerd.cri.v1.images".registry.mirrors.x.endpoint must be a list, not a string`},
		"the root":                    {[]string{"root = '/x'"}, use + `line 1 ("root = '/x'"): root cannot be changed: the preloaded images are in containerd's own folder`},
		"the socket":                  {[]string{"[grpc]\naddress = '/x'"}, use + `line 2 ("address = '/x'"): grpc.address cannot be changed: the kubelet uses containerd's own socket`},
		"a plugin's short name":       {[]string{"disabled_plugins = ['cri']"}, use + `line 1 ("disabled_plugins = ['cri']"): disabled_plugins must have full names such as io.containerd.nri.v1.nri, not "cri"`},
		"no CRI":                      {[]string{"disabled_plugins = ['io.containerd.grpc.v1.cri']"}, use + `line 1 ("disabled_plugins = ['io.containerd.grpc.v1.cri']"): plugin io.containerd.grpc.v1.cri cannot be disabled: the kubelet needs it`},
		"mirrors and their folder": {[]string{"[plugins.'io.containerd.cri.v1.images'.registry]\nconfig_path = '/x'", "[plugins.cri.registry.mirrors.x]\nendpoint = ['y']"},
			"containerdConfigPatches[1] sets registry.mirrors, and containerdConfigPatches[0] sets registry.config_path: containerd refuses to start with both; write the mirrors into config_path's folder, as HOST/hosts.toml"},
		"mirrors, and no folder": {[]string{"[plugins.cri.registry]\nconfig_path = ''\nmirrors = {x = {endpoint = ['y']}}"}, ""},
		"two mistakes of a patch": {[]string{"a = 1\nb = 1"},
			use + "line 1 (\"a = 1\"): containerd has no field a, and would ignore it\n" + use + "line 2 (\"b = 1\"): containerd has no field b, and would ignore it"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := ""
			if err := (Cluster{ContainerdConfigPatches: test.patches}).Default().Validate(); err != nil {
				got = fmt.Sprint(err)
			}
			if got != test.want {
				t.Errorf("got\n%s\nwant\n%s", got, test.want)
			}
		})
	}
}

// TestContainerdSchema checks that the list of fields is complete, and is a valid patch.
func TestContainerdSchema(t *testing.T) {
	t.Parallel()
	schema, err := containerdSchema()
	if err != nil || len(schema) == 0 {
		t.Fatalf("the schema is %v, %v", schema, err)
	}
	text := strings.ReplaceAll(containerdFields, "root = ''\n", "")
	text = strings.ReplaceAll(text, "config_path = ''", "config_path = '/x'")
	var m mistakes
	m.containerdConfigPatches([]string{text})
	for _, mistake := range m {
		if !strings.Contains(mistake.text, "cannot be changed") && !strings.Contains(mistake.text, "must have full names") && !strings.Contains(mistake.text, "sets registry.mirrors") {
			t.Error(mistake.text)
		}
	}
}
