package bootstrap_test

import (
	"slices"
	"testing"

	"github.com/mkube/mkube/pkg/bootstrap"
	"github.com/mkube/mkube/pkg/config"
)

func TestComponents(t *testing.T) {
	t.Parallel()
	all := []string{"containerd", "cni", "kubelet", "etcd", "kube-apiserver", "node-registration", "kube-controller-manager", "kube-scheduler", "kube-network-policies", "kube-proxy", "cloud-controller-manager", "coredns", "local-path-provisioner"}
	without := func(names ...string) []string {
		return slices.DeleteFunc(slices.Clone(all), func(s string) bool { return slices.Contains(names, s) })
	}
	for name, test := range map[string]struct {
		config config.Cluster
		want   []string
	}{
		"all":                         {config.Cluster{}, all},
		"no CNI":                      {config.Cluster{Networking: config.Networking{DisableDefaultCNI: true}}, without("cni", "kube-network-policies")},
		"no kube-proxy":               {config.Cluster{Networking: config.Networking{KubeProxyMode: config.ProxyNone}}, without("kube-proxy")},
		"no cloud controller manager": {config.Cluster{CloudControllerManager: new(false)}, without("cloud-controller-manager")},
		"addons":                      {config.Cluster{Addons: config.Addons()}, append(slices.Clone(all), config.Addons()...)},
	} {
		g := bootstrap.Components(test.config)
		if got := g.Names(); !slices.Equal(got, test.want) {
			t.Errorf("%s: Components are %q; want %q", name, got, test.want)
		}
		if err := g.Check(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	several := bootstrap.Components(config.Cluster{Nodes: make([]config.Node, 3)}.Default())
	if !slices.Contains(several.Names(), "load-balancer") || several.Check() != nil {
		t.Errorf("for three control planes, Components are %q, %v", several.Names(), several.Check())
	}
}

// TestComponentsTakeExtraArgs checks that every name that config accepts in extraArgs is a
// component.
func TestComponentsTakeExtraArgs(t *testing.T) {
	t.Parallel()
	names := bootstrap.Components(config.Cluster{Addons: config.Addons()}).Names()
	for _, name := range append(config.Components(), config.Addons()...) {
		if !slices.Contains(names, name) {
			t.Errorf("extraArgs may name %s, which is not a component", name)
		}
	}
}
