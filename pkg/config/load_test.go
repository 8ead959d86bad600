package config

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"

	"sigs.k8s.io/yaml"
)

var update = flag.Bool("update", false, "write what the code answers into testdata")

// TestLoadInvalid compares the whole error of each file of testdata/invalid with the .txt file next
// to it.
func TestLoadInvalid(t *testing.T) {
	t.Parallel()
	for _, file := range files(t, "invalid") {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			c, err := load(t, file)
			if err == nil {
				t.Fatal("loaded without an error")
			}
			if !reflect.DeepEqual(c, Cluster{}) {
				t.Errorf("an error came with the cluster %+v", c)
			}
			golden := strings.TrimSuffix(file, ".yaml") + ".txt"
			if *update {
				if err := os.WriteFile(golden, []byte(err.Error()+"\n"), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, readErr := os.ReadFile(golden)
			if readErr != nil {
				t.Fatal(readErr)
			}
			if got := err.Error() + "\n"; got != string(want) {
				t.Errorf("got:\n%swant:\n%s", got, want)
			}
		})
	}
}

// TestLoadRoundTrip writes what it has loaded, and loads it again.
func TestLoadRoundTrip(t *testing.T) {
	t.Parallel()
	for _, file := range files(t, "valid") {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			c, err := load(t, file)
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range []Cluster{c, c.Default()} {
				if err := c.Default().Validate(); err != nil {
					t.Errorf("loaded, yet not valid: %v", err)
				}
				if again := reload(t, c); !reflect.DeepEqual(again, c) {
					t.Errorf("wrote and read %+v,\n got %+v", c, again)
				}
			}
		})
	}
}

func TestLoadFull(t *testing.T) {
	t.Parallel()
	got, err := load(t, "testdata/valid/full.yaml")
	if err != nil {
		t.Fatal(err)
	}
	want := Cluster{
		APIVersion: APIVersion,
		Kind:       Kind,
		Name:       "demo",
		Nodes: []Node{
			{
				Role:  ControlPlane,
				Image: "example.com/mkube/node:v1.37.2",
				Labels: map[string]string{
					"example.com/tier":            "front",
					"topology.kubernetes.io/zone": "a",
					"node.kubernetes.io/pool":     "small",
				},
				Taints:      []Taint{{Key: "example.com/dedicated", Value: "front", Effect: "PreferNoSchedule"}},
				ExtraMounts: []Mount{{HostPath: "./data", ContainerPath: "/data", ReadOnly: true, Propagation: "HostToContainer"}},
				ExtraPortMappings: []PortMapping{
					{ContainerPort: 30080, HostPort: 8080, ListenAddress: "0.0.0.0", Protocol: "TCP"},
					{ContainerPort: 30053, HostPort: 8080, Protocol: "UDP"},
				},
			},
			{Role: ControlPlane, Taints: []Taint{}},
			{Role: Worker},
			{},
		},
		Networking: Networking{
			APIServerAddress:  "127.0.0.1",
			APIServerCertSANs: []string{"api.example.com", "192.0.2.7"},
			APIServerPort:     6443,
			PodSubnet:         "10.10.0.0/16",
			ServiceSubnet:     "10.11.0.0/16",
			DNSDomain:         "demo.example",
			KubeProxyMode:     ProxyIPTables,
			DisableDefaultCNI: true,
		},
		FeatureGates:  map[string]bool{"AllAlpha": false},
		RuntimeConfig: map[string]string{"api/alpha": "true", "batch/v2alpha1": ""},
		ExtraArgs: map[string]map[string]string{
			"kube-scheduler": {"v": "4", "leader-elect-renew-deadline": "1.10"},
			"kubelet":        nil,
			"metrics-server": {"v": "2"},
		},
		ExtraFiles: map[string][]ExtraFile{"kube-apiserver": {
			{HostPath: "./audit.yaml", Path: "/etc/kubernetes/extra/audit.yaml"},
			{Content: new("text\n"), Path: "/etc/kubernetes/extra/text"},
		}},
		ExtraVolumes: map[string][]ExtraVolume{"etcd": {
			{Name: "wal", HostPath: "/var/lib/wal", MountPath: "/wal", ReadOnly: true, PathType: "DirectoryOrCreate"},
		}},
		CloudControllerManager: new(false),
		ContainerdConfigPatches: []string{
			"[plugins.\"io.containerd.grpc.v1.cri\".registry]\nconfig_path = \"/etc/containerd/certs.d\"\n",
		},
		KubeProxyConfigPatches: []string{"metricsBindAddress: 0.0.0.0:10249\n"},
		Addons:                 []string{"metrics-server"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestLoadSource(t *testing.T) {
	t.Parallel()
	const header = "apiVersion: mkube.dev/v1alpha1\nkind: Cluster\n"
	if _, err := Load(strings.NewReader(header+"#"+strings.Repeat("x", maxSize-len(header)-1)), "standard input", ""); err != nil {
		t.Errorf("1 MiB: %v", err)
	}
	_, err := Load(strings.NewReader(strings.Repeat("#", maxSize+1)), "standard input", "")
	wantError(t, err, "standard input is larger than 1 MiB, the limit of a configuration file: is it the right file?")

	broken := errors.New("input/output error")
	_, err = Load(iotest.ErrReader(broken), "mkube.yaml", "")
	wantError(t, err, "reading mkube.yaml: input/output error")
	if !errors.Is(err, broken) {
		t.Error("the reader's error is not wrapped")
	}

	_, err = Load(strings.NewReader(header+"name: -"), "standard input", "")
	wantError(t, err, `standard input:3: not YAML: block sequence entries are not allowed in this context`)
}

// FuzzLoad checks that no input makes Load panic, that errors have a line each, in order, and that
// a loaded cluster is valid and can be written and loaded again.
func FuzzLoad(f *testing.F) {
	for _, file := range append(files(f, "valid"), files(f, "invalid")...) {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(data))
	}
	f.Fuzz(func(t *testing.T, data string) {
		c, err := Load(strings.NewReader(data), "fuzz.yaml", "")
		if err != nil {
			checkLines(t, err.Error())
			return
		}
		if err := c.Default().Validate(); err != nil {
			t.Errorf("loaded, yet not valid: %v", err)
		}
		if again := reload(t, c); !reflect.DeepEqual(again, c) {
			t.Errorf("wrote and read %+v,\n got %+v", c, again)
		}
	})
}

func checkLines(t *testing.T, message string) {
	t.Helper()
	if strings.HasPrefix(message, "fuzz.yaml is empty: ") {
		return
	}
	last := 1
	for line := range strings.SplitSeq(message, "\n") {
		n := 0
		if _, err := fmt.Sscanf(line, "fuzz.yaml:%d: ", &n); err != nil || n < last {
			t.Errorf("no place, or one before line %d: %s", last, line)
		}
		last = n
	}
}

// reload writes a cluster as YAML, and loads it again.
func reload(t *testing.T, c Cluster) Cluster {
	t.Helper()
	data, err := yaml.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	again, err := Load(strings.NewReader(string(data)), "again.yaml", "")
	if err != nil {
		t.Fatalf("%v\n%s", err, data)
	}
	return again
}

// load loads a file. Errors have the name of the file within testdata.
func load(t *testing.T, file string) (Cluster, error) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	return Load(f, "mkube.yaml", "")
}

func files(t testing.TB, folder string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join("testdata", folder, "*.[yj]*"))
	if err != nil || len(found) == 0 {
		t.Fatalf("no files in %s: %v", folder, err)
	}
	return found
}

func wantError(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || err.Error() != want {
		t.Errorf("got the error %v\nwant %s", err, want)
	}
}

// TestLoadStrings checks that strings are loaded unchanged, although YAML would parse them as
// another type, or has difficulties writing them.
func TestLoadStrings(t *testing.T) {
	t.Parallel()
	args := map[string]string{}
	for i, s := range []string{
		"", " ", "~", "null", "true", "yes", "0x10", "010", "1.10", "1e3", "1_000", ".inf", "2001-01-01",
		"<<", "=", "*a", "&a", "!!int 1", "- a", "a: b", "a #b", "#", "%", "@", "`", "'", `"`, "{}", "[",
		"---", "...", "\u2028", "\ufeff", "\ufffd", "\U0001F600", strings.Repeat("a b ", 99),
	} {
		args[fmt.Sprint("a", i)] = s
	}
	// The flags of another image are not known.
	want := Cluster{APIVersion: APIVersion, Kind: Kind, Nodes: []Node{{Image: "other"}}, ExtraArgs: map[string]map[string]string{"kubelet": args}}
	want.ContainerdConfigPatches = []string{"", "\n", "oom_score = 1", "oom_score = 1\n\n", "\n\n  oom_score = 1\n\tversion = 2\r\n", "# \u2028"}
	if got := reload(t, want); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}
