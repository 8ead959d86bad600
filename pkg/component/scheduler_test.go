package component_test

import (
	"testing"

	"github.com/mkube/mkube/internal/testing/componenttest"
	"github.com/mkube/mkube/pkg/component/scheduler"
	"github.com/mkube/mkube/pkg/config"
)

func TestSchedulerGolden(t *testing.T) {
	t.Parallel()
	componenttest.Golden(t, scheduler.New(),
		componenttest.Variant{Name: "extra-args", Config: config.Cluster{ExtraArgs: map[string]map[string]string{
			"kube-scheduler": {"v": "4", "bind-address": "0.0.0.0"}, "etcd": {"name": "not for me"},
		}}},
		componenttest.Variant{Name: "feature-gates", Config: config.Cluster{FeatureGates: map[string]bool{"Zebra": true, "Ant": false}}},
		componenttest.Variant{Name: "config", Config: config.Cluster{
			ExtraFiles: map[string][]config.ExtraFile{"kube-scheduler": {{
				Content: new("apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\nclientConnection: {qps: 7}\n"),
				Path:    "/etc/kubernetes/extra/scheduler.yaml",
			}}},
			ExtraArgs: map[string]map[string]string{"kube-scheduler": {"config": "/etc/kubernetes/extra/scheduler.yaml"}},
		}},
		componenttest.Variant{Name: "two-control-planes", Config: config.Cluster{Nodes: []config.Node{{}, {}}}},
	)
}

func TestSchedulerStaticPod(t *testing.T) {
	t.Parallel()
	componenttest.StaticPod(t, scheduler.New())
}

func TestSchedulerDescribed(t *testing.T) {
	t.Parallel()
	componenttest.Described(t, scheduler.New())
}
