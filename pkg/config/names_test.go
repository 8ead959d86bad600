package config

import (
	"reflect"
	"testing"
)

func TestNodeNames(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		nodes []Node
		want  []string
	}{
		{"none", nil, []string{}},
		{"one", []Node{{Role: ControlPlane}}, []string{"demo-control-plane"}},
		{"not defaulted", []Node{{}, {}}, []string{"demo-control-plane", "demo-control-plane2"}},
		{
			"mixed",
			[]Node{{Role: Worker}, {Role: ControlPlane}, {Role: Worker}, {Role: ControlPlane}, {Role: Worker}},
			[]string{"demo-worker", "demo-control-plane", "demo-worker2", "demo-control-plane2", "demo-worker3"},
		},
	}
	for _, tt := range tests {
		if got := (Cluster{Name: "demo", Nodes: tt.nodes}).NodeNames(); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestComponentsIsTheCallersOwn(t *testing.T) {
	t.Parallel()
	Components()[0], Addons()[0] = "changed", "changed"
	want := []string{
		"kubelet", "etcd", "kube-apiserver", "kube-controller-manager",
		"kube-scheduler", "kube-network-policies", "kube-proxy", "cloud-controller-manager", "coredns", "local-path-provisioner",
	}
	if got := Components(); !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := Addons(), []string{"metrics-server"}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
