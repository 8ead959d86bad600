package component_test

import (
	"testing"

	"github.com/mkube/mkube/internal/testing/componenttest"
	"github.com/mkube/mkube/pkg/component/kubeproxy"
	"github.com/mkube/mkube/pkg/config"
)

func TestKubeProxyGolden(t *testing.T) {
	t.Parallel()
	worker := config.Cluster{Nodes: []config.Node{{}, {Role: config.Worker}}}
	componenttest.Golden(t, kubeproxy.New(),
		componenttest.Variant{Name: "iptables", Config: config.Cluster{Networking: config.Networking{KubeProxyMode: config.ProxyIPTables}}},
		componenttest.Variant{Name: "extra-args", Config: config.Cluster{ExtraArgs: map[string]map[string]string{
			"kube-proxy": {"v": "2", "metrics-bind-address": "0.0.0.0:10249", "iptables-sync-period": "1m", "masquerade-all": "true", "feature-gates": "Ant=true"},
		}}},
		componenttest.Variant{Name: "patches", Config: config.Cluster{
			KubeProxyConfigPatches: []string{"metricsBindAddress: 0.0.0.0\nnodePortAddresses: [primary]", "nodePortAddresses: [192.0.2.0/24]"},
			ExtraArgs:              map[string]map[string]string{"kube-proxy": {"metrics-bind-address": "0.0.0.0:10250"}},
		}},
		componenttest.Variant{Name: "feature-gates", Config: config.Cluster{FeatureGates: map[string]bool{"Zebra": true, "Ant": false}}},
		componenttest.Variant{Name: "networking", Config: config.Cluster{Networking: config.Networking{
			PodSubnet: "fd00:20::/56", ServiceSubnet: "fd00:10::/108",
		}}},
		componenttest.Variant{Name: "worker", Config: worker, Node: 1},
	)
}

func TestKubeProxyStaticPod(t *testing.T) {
	t.Parallel()
	componenttest.StaticPod(t, kubeproxy.New())
}

func TestKubeProxyDescribed(t *testing.T) {
	t.Parallel()
	componenttest.Described(t, kubeproxy.New())
}

func TestKubeProxyRunsWhereItIsWanted(t *testing.T) {
	t.Parallel()
	nodes := []config.Node{{}, {Role: config.Worker}}
	for mode, want := range map[config.ProxyMode]int{"": 2, config.ProxyIPTables: 2, config.ProxyNone: 0} {
		cl := componenttest.Cluster(t, config.Cluster{Nodes: nodes, Networking: config.Networking{KubeProxyMode: mode}})
		if got := len(kubeproxy.New().Nodes(cl)); got != want {
			t.Errorf("in mode %q it runs on %d nodes; want %d", mode, got, want)
		}
	}
}
