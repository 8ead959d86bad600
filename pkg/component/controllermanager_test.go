package component_test

import (
	"context"
	"strings"
	"testing"

	"github.com/mkube/mkube/internal/testing/componenttest"
	"github.com/mkube/mkube/pkg/component/controllermanager"
	"github.com/mkube/mkube/pkg/config"
)

func TestControllerManagerGolden(t *testing.T) {
	t.Parallel()
	componenttest.Golden(t, controllermanager.New(),
		componenttest.Variant{Name: "extra-args", Config: config.Cluster{ExtraArgs: map[string]map[string]string{
			"kube-controller-manager": {"controllers": "*,-nodeipam", "leader-elect": "true"},
		}}},
		componenttest.Variant{Name: "feature-gates", Config: config.Cluster{FeatureGates: map[string]bool{"Zebra": true, "Ant": false}}},
		componenttest.Variant{Name: "networking", Config: config.Cluster{Name: "six", Networking: config.Networking{
			PodSubnet: "fd00:20::/56", ServiceSubnet: "fd00:10::/108",
		}}},
		componenttest.Variant{Name: "signers", Config: config.Cluster{ExtraArgs: map[string]map[string]string{
			"kube-controller-manager": {
				"cluster-signing-kubelet-serving-cert-file": "/etc/kubernetes/extra/ca.crt", "cluster-signing-kubelet-serving-key-file": "/etc/kubernetes/extra/ca.key",
			},
		}}},
		componenttest.Variant{Name: "two-control-planes", Config: config.Cluster{Nodes: []config.Node{{}, {}}}},
	)
}

func TestControllerManagerStaticPod(t *testing.T) {
	t.Parallel()
	componenttest.StaticPod(t, controllermanager.New())
}

func TestControllerManagerDescribed(t *testing.T) {
	t.Parallel()
	componenttest.Described(t, controllermanager.New())
}

func TestControllerManagerReady(t *testing.T) {
	t.Parallel()
	const (
		account = "/api/v1/namespaces/default/serviceaccounts/default"
		probe   = "running mkube-probe https 10257 /healthz on mkube-control-plane: exit code 1"
	)
	code := 1
	api := componenttest.NewAPIOf(t, config.Cluster{}, componenttest.Probed(&code))
	ready := func() string {
		return componenttest.Message(controllermanager.New().Ready(context.Background(), api.Cluster, api.Cluster.Nodes[0]))
	}
	if got := ready(); !strings.HasPrefix(got, "the default service account: ") {
		t.Errorf("without the account, Ready = %q", got)
	}
	api.Object(account, `{"apiVersion":"v1","kind":"ServiceAccount"}`)
	if got := ready(); got != probe {
		t.Errorf("without health, Ready = %q; want %q", got, probe)
	}
	code = 0
	if got := ready(); got != "" {
		t.Errorf("Ready = %q", got)
	}
}
