package component_test

import (
	"testing"

	"github.com/mkube/mkube/internal/testing/componenttest"
	"github.com/mkube/mkube/pkg/component/networkpolicies"
	"github.com/mkube/mkube/pkg/config"
)

func TestNetworkPoliciesGolden(t *testing.T) {
	t.Parallel()
	componenttest.Golden(t, networkpolicies.New(),
		componenttest.Variant{Name: "extra-args", Config: config.Cluster{ExtraArgs: map[string]map[string]string{
			"kube-network-policies": {"v": "4"},
		}}},
		componenttest.Variant{Name: "dual-stack", Node: 1, Config: config.Cluster{
			Nodes: []config.Node{{}, {Role: config.Worker}}, Networking: config.Networking{IPFamily: config.DualStack},
		}},
	)
}

func TestNetworkPoliciesDescribed(t *testing.T) {
	t.Parallel()
	componenttest.Described(t, networkpolicies.New())
}
