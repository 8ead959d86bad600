package component_test

import (
	"io/fs"
	"reflect"
	"slices"
	"testing"

	"github.com/mkube/mkube/internal/testing/componenttest"
	"github.com/mkube/mkube/pkg/component/etcd"
	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/provider"
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

// TestEtcdKeepsTheFolderOfAMount checks that mkube does not change the mode of a folder of the host.
func TestEtcdKeepsTheFolderOfAMount(t *testing.T) {
	t.Parallel()
	for at, want := range map[string]bool{"/var/lib/etcd/": false, "/var/lib/etcd-backup": true} {
		cl := componenttest.Cluster(t, config.Cluster{Nodes: []config.Node{{ExtraMounts: []config.Mount{{HostPath: "/a", ContainerPath: at}}}}})
		list, err := etcd.New().Files(cl, cl.Nodes[0])
		if err != nil {
			t.Fatal(err)
		}
		folder := provider.File{Path: "/var/lib/etcd", Mode: fs.ModeDir | 0o700}
		if got := slices.ContainsFunc(list, func(f provider.File) bool { return reflect.DeepEqual(f, folder) }); got != want {
			t.Errorf("with a mount at %s, mkube makes the folder: %t; want %t", at, got, want)
		}
	}
}
