package component_test

import (
	"testing"

	"github.com/mkube/mkube/internal/testing/componenttest"
	"github.com/mkube/mkube/pkg/component/etcd"
	"github.com/mkube/mkube/pkg/config"
)

func TestEtcdGolden(t *testing.T) {
	t.Parallel()
	componenttest.Golden(t, etcd.New(),
		componenttest.Variant{Name: "extra-args", Config: config.Cluster{ExtraArgs: map[string]map[string]string{
			"etcd": {"quota-backend-bytes": "8589934592", "snapshot-count": "5"},
		}}},
		componenttest.Variant{Name: "second-node", Node: 1, Config: config.Cluster{Name: "two", Nodes: []config.Node{{Role: config.Worker}, {}}}},
	)
}

func TestEtcdStaticPod(t *testing.T) {
	t.Parallel()
	componenttest.StaticPod(t, etcd.New())
}

func TestEtcdDescribed(t *testing.T) {
	t.Parallel()
	componenttest.Described(t, etcd.New())
}
