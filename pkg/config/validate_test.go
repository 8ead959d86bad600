package config

import (
	"fmt"
	"strings"
	"testing"
)

// The messages of single mistakes are in testdata/invalid. These tests check the limits, and values
// that a file cannot contain.

func TestValidateName(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"a", "0", "a-b", "a--b", "1a", strings.Repeat("a", 40)} {
		c := Cluster{Name: name, Nodes: make([]Node, maxNodes-1)}.Default()
		c.Networking.PodSubnet = "20.0.0.0/8"
		if err := c.Validate(); err != nil {
			t.Errorf("%q: %v", name, err)
		}
		for _, node := range c.NodeNames() {
			if len(node) > 63 {
				t.Errorf("%q has %d characters", node, len(node))
			}
		}
	}
	for _, name := range []string{"-", "-a", "a-", "A", "a.b", "a_b", "ä", "a\n", strings.Repeat("a", 41)} {
		err := Cluster{Name: name}.Default().Validate()
		if err == nil || !strings.HasPrefix(err.Error(), "name must ") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: got %v", name, err)
		}
	}
}

func TestValidateSubnets(t *testing.T) {
	t.Parallel()
	tests := []struct {
		pods, services string
		nodes          int
		want           string
	}{
		{"10.244.0.0/24", "10.96.0.0/28", 1, ""},
		{"20.0.0.0/8", "10.0.0.0/12", maxNodes, ""},
		{"10.244.0.0/17", "10.245.0.0/16", 128, ""},
		{"10.244.0.0/17", "10.245.0.0/16", 129, `networking.podSubnet "10.244.0.0/17" is too small for 129 nodes with a /24 each: take a /16 or larger`},
		{"10.244.0.0/25", "10.96.0.0/16", 1, `networking.podSubnet "10.244.0.0/25" is too small for 1 node with a /24 each: take a /24 or larger`},
		{"fd01::/48", "fd00::/108", maxNodes, ""},
		{"fd01::/64", "fd00::/124", 1, ""},
		{"fd01::/64", "fd00::/124", 2, `networking.podSubnet "fd01::/64" is too small for 2 nodes with a /64 each: take a /63 or larger`},
		{"fd01::/65", "fd00::/112", maxNodes, ""},
		{"fd01::/120", "fd00::/112", 1, ""},
		{"fd01::/119", "fd00::/112", 3, `networking.podSubnet "fd01::/119" is too small for 3 nodes with a /120 each: take a /118 or larger`},
		{"fe80::/64", "fd00::/112", 1, `networking.podSubnet must be a network that can be routed to, such as "10.244.0.0/16", not "fe80::/64"`},
		{"10.96.1.0/24", "10.96.0.0/16", 1, `networking.podSubnet "10.96.1.0/24" must not overlap networking.serviceSubnet "10.96.0.0/16"`},
		{"10.244.0.0/16", "10.244.0.0/16", 1, `networking.podSubnet "10.244.0.0/16" must not overlap networking.serviceSubnet "10.244.0.0/16"`},
		{"10.244.0.0/16", "10.96.0.1/32", 1, `networking.serviceSubnet "10.96.0.1/32" is too small for the addresses of kube-apiserver (the 1st) and DNS (the 10th): take a /28 or larger`},
		{"10.244.0.0/016", "10.96.0.0/16", 1, `networking.podSubnet must be a subnet such as "10.244.0.0/16", not "10.244.0.0/016"`},
	}
	for _, tt := range tests {
		c := Cluster{
			Nodes:      workersAfterOne(tt.nodes),
			Networking: Networking{PodSubnet: tt.pods, ServiceSubnet: tt.services},
		}
		got := ""
		if err := c.Default().Validate(); err != nil {
			got = err.Error()
		}
		if got != tt.want {
			t.Errorf("%s and %s:\n got %s\nwant %s", tt.pods, tt.services, got, tt.want)
		}
	}
}

func TestValidateLabels(t *testing.T) {
	t.Parallel()
	tests := map[string]bool{
		"tier":                              true,
		"example.com/tier":                  true,
		"notkubernetes.io/tier":             true,
		"node.kubernetes.io/instance-type":  true,
		"beta.kubernetes.io/instance-type":  true,
		"pool.node.kubernetes.io/a":         true,
		"kubelet.kubernetes.io/a":           true,
		"kubernetes.io/hostname":            true,
		"topology.kubernetes.io/region":     true,
		"topology.kubernetes.io/rack":       false,
		"kubernetes.io/role":                false,
		"k8s.io/a":                          false,
		"example.k8s.io/a":                  false,
		"node-role.kubernetes.io/worker":    false,
		"node-restriction.kubernetes.io/a":  false,
		"notnode.kubernetes.io/a":           false,
		"Example.com/tier":                  false,
		"example.com/":                      false,
		strings.Repeat("a", 64):             false,
		strings.Repeat("a", 63):             true,
		strings.Repeat("a", 254) + ".com/a": false,
	}
	for key, ok := range tests {
		err := Cluster{Nodes: []Node{{Labels: map[string]string{key: "x"}}}}.Default().Validate()
		if (err == nil) != ok {
			t.Errorf("%q: got %v", key, err)
		}
	}
}

// workersAfterOne returns a control plane and workers.
func workersAfterOne(nodes int) []Node {
	list := make([]Node, nodes)
	for i := range list[1:] {
		list[i+1].Role = Worker
	}
	return list
}

func TestValidateTooManyNodes(t *testing.T) {
	t.Parallel()
	err := Cluster{Nodes: make([]Node, maxNodes)}.Default().Validate()
	wantError(t, err, "nodes must be at most 180, not 181")
}

// TestValidateJoins checks that each mistake is a separate error, and that the order is the same
// each time.
func TestValidateJoins(t *testing.T) {
	t.Parallel()
	c := Cluster{
		Name:         "A",
		Kind:         "Node",
		FeatureGates: map[string]bool{"a-1": true, "a-2": true, "a-3": true},
		ExtraArgs:    map[string]map[string]string{"kubelet": {"-b": "", "-a": ""}},
	}.Default()
	err := c.Validate()
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok || len(joined.Unwrap()) != 7 {
		t.Fatalf("got %v, want 7 errors", err)
	}
	for range 20 {
		wantError(t, c.Validate(), err.Error())
	}
}

// TestValidateZero validates a cluster without defaults.
func TestValidateZero(t *testing.T) {
	t.Parallel()
	err := Cluster{}.Validate()
	for _, path := range []string{
		"apiVersion", "kind", "name", "nodes", "networking.podSubnet",
		"networking.serviceSubnet", "networking.dnsDomain", "networking.kubeProxyMode",
	} {
		if !strings.Contains("\n"+fmt.Sprint(err), "\n"+path+" must ") {
			t.Errorf("nothing about %s in:\n%v", path, err)
		}
	}
}
