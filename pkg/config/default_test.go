package config

import (
	"encoding/json"
	"reflect"
	"testing"
)

func TestDefaultOfZero(t *testing.T) {
	t.Parallel()
	got := Cluster{}.Default()
	want := Cluster{
		APIVersion: "mkube.dev/v1alpha1",
		Kind:       "Cluster",
		Name:       "mkube",
		Nodes:      []Node{{Role: ControlPlane, Taints: []Taint{}}},
		Networking: Networking{
			IPFamily:      IPv4,
			PodSubnet:     "10.244.0.0/16",
			ServiceSubnet: "10.96.0.0/16",
			DNSDomain:     "cluster.local",
			KubeProxyMode: ProxyNFTables,
		},
		CloudControllerManager: new(true),
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if err := got.Validate(); err != nil {
		t.Errorf("the default is not valid: %v", err)
	}
}

func TestDefaultTaints(t *testing.T) {
	t.Parallel()
	own := []Taint{{Key: "example.com/dedicated", Effect: "NoExecute"}}
	reserved := []Taint{{Key: "node-role.kubernetes.io/control-plane", Effect: "NoSchedule"}}
	none := []Taint{}
	tests := []struct {
		name  string
		nodes []Node
		want  [][]Taint
	}{
		{"no nodes", nil, [][]Taint{none}},
		{"one node", []Node{{}}, [][]Taint{none}},
		{"control planes only", []Node{{}, {Role: ControlPlane}}, [][]Taint{none, none, none}},
		{"workers", []Node{{}, {Role: Worker}, {Role: ControlPlane}}, [][]Taint{reserved, none, reserved, none}},
		{"set", []Node{{Taints: none}, {Role: Worker, Taints: own}, {Taints: own}}, [][]Taint{none, own, own, none}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var got [][]Taint
			for _, n := range (Cluster{Nodes: tt.nodes}).Default().Nodes {
				got = append(got, n.Taints)
			}
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestDefaultKeepsWhatIsSet(t *testing.T) {
	t.Parallel()
	set := everything()
	if got := set.Default(); !reflect.DeepEqual(got, set) {
		t.Errorf("got  %+v\nwant %+v", got, set)
	}
}

func TestDefaultOfMountsAndPorts(t *testing.T) {
	t.Parallel()
	n := Cluster{Nodes: []Node{{
		ExtraMounts:       []Mount{{HostPath: "data", ContainerPath: "/data"}},
		ExtraPortMappings: []PortMapping{{ContainerPort: 80}},
	}}}.Default().Nodes[0]
	if got, want := n.ExtraMounts[0], (Mount{HostPath: "data", ContainerPath: "/data", Propagation: "None"}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got, want := n.ExtraPortMappings[0], (PortMapping{ContainerPort: 80, Protocol: "TCP"}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// TestDefaultSharesNothing changes everything that the defaulted cluster points to, and checks that
// the original is unchanged.
func TestDefaultSharesNothing(t *testing.T) {
	t.Parallel()
	c := everything()
	c.Nodes[0].ExtraMounts[0].Propagation = "" // so that there is something to default
	before, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	d := c.Default()
	d.Nodes[0].Labels["example.com/tier"] = "changed"
	d.Nodes[0].Taints[0].Key = "changed"
	d.Nodes[0].ExtraMounts[0].HostPath = "changed"
	d.Nodes[0].ExtraPortMappings[0].HostPort = 1
	d.Nodes[0].Role = Worker
	d.FeatureGates["A"] = false
	d.RuntimeConfig["api/all"] = "false"
	d.ExtraArgs["etcd"]["v"] = "changed"
	d.ExtraArgs["kubelet"] = nil
	d.ContainerdConfigPatches[0] = "changed"
	d.Addons[0] = "changed"
	d.Networking.APIServerCertSANs[0] = "changed"
	after, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	if string(after) != string(before) {
		t.Errorf("the receiver changed from\n%s to\n%s", before, after)
	}
}

// everything returns a defaulted cluster in which no field has its default.
func everything() Cluster {
	return Cluster{
		APIVersion: "other/v1",
		Kind:       "Other",
		Name:       "demo",
		Nodes: []Node{{
			Role:              ControlPlane,
			Image:             "example.com/node",
			Labels:            map[string]string{"example.com/tier": "front"},
			Taints:            []Taint{{Key: "a", Effect: "NoExecute"}},
			ExtraMounts:       []Mount{{HostPath: "/a", ContainerPath: "/b", Propagation: "HostToContainer"}},
			ExtraPortMappings: []PortMapping{{ContainerPort: 80, HostPort: 8080, ListenAddress: "0.0.0.0", Protocol: "UDP"}},
		}},
		Networking: Networking{
			APIServerAddress:  "0.0.0.0",
			APIServerCertSANs: []string{"api.example.com"},
			APIServerPort:     6443,
			IPFamily:          IPv4,
			PodSubnet:         "10.0.0.0/16",
			ServiceSubnet:     "10.1.0.0/16",
			DNSDomain:         "demo.example",
			KubeProxyMode:     ProxyNone,
			DisableDefaultCNI: true,
		},
		FeatureGates:            map[string]bool{"A": true},
		RuntimeConfig:           map[string]string{"api/all": "true"},
		ExtraArgs:               map[string]map[string]string{"etcd": {"v": "4"}, "coredns": nil},
		CloudControllerManager:  new(false),
		ContainerdConfigPatches: []string{"version = 3"},
		Addons:                  []string{"metrics-server"},
	}
}
