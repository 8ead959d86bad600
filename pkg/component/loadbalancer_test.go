package component_test

import (
	"strings"
	"testing"

	"github.com/mkube/mkube/internal/testing/componenttest"
	"github.com/mkube/mkube/pkg/component/loadbalancer"
	"github.com/mkube/mkube/pkg/config"
)

var highlyAvailable = config.Cluster{Nodes: []config.Node{{}, {}, {}, {Role: config.Worker}}}

func TestLoadBalancerGolden(t *testing.T) {
	t.Parallel()
	componenttest.Golden(t, loadbalancer.New(), componenttest.Variant{Name: "ha", Config: highlyAvailable, Node: 4})
}

func TestLoadBalancerDescribed(t *testing.T) {
	t.Parallel()
	componenttest.Described(t, loadbalancer.New())
}

func TestLoadBalancerNodes(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		cfg  config.Cluster
		want string
	}{
		{"one control plane needs none", config.Cluster{}, ""},
		{"several have one", highlyAvailable, "mkube-external-load-balancer"},
	} {
		var names []string
		for _, n := range loadbalancer.New().Nodes(componenttest.Cluster(t, test.cfg)) {
			names = append(names, n.Name())
		}
		if got := strings.Join(names, ","); got != test.want {
			t.Errorf("%s: it is on %q; want %q", test.name, got, test.want)
		}
	}
}
