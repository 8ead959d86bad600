package bootstrap_test

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mkube/mkube/internal/testing/componenttest"
	"github.com/mkube/mkube/internal/testing/fake"
	"github.com/mkube/mkube/pkg/bootstrap"
	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/provider"
)

var (
	workers = config.Cluster{Nodes: []config.Node{{}, {Role: config.Worker}, {Role: config.Worker}}}
	planes  = config.Cluster{Nodes: []config.Node{{}, {}, {}}}
)

// up returns a rig with a cluster of that configuration.
func up(t *testing.T, cfg config.Cluster) *rig {
	t.Helper()
	r := newRig(t)
	if _, err := r.CreateCluster(t.Context(), cfg, bootstrap.Options{Wait: time.Minute}); err != nil {
		t.Fatal(err)
	}
	return r
}

// ran reports whether a command with these words ran on a node.
func (r *rig) ran(node, words string) bool {
	return slices.ContainsFunc(r.Calls(), func(c fake.Call) bool {
		return c.Node == "mkube-"+node && strings.Contains(strings.Join(c.Args, " "), words)
	})
}

func (r *rig) addNode(t *testing.T, n config.Node) (string, error) {
	t.Helper()
	return bootstrap.AddNode(t.Context(), r, "mkube", n, bootstrap.Options{Wait: time.Minute})
}

func (r *rig) removeNode(t *testing.T, name string) error {
	t.Helper()
	_, err := bootstrap.RemoveNode(t.Context(), r, "mkube", name, bootstrap.RemoveOptions{Drain: time.Minute})
	return err
}

// listed returns the nodes in the configuration of the cloud controller manager.
func (r *rig) listed(t *testing.T) string {
	t.Helper()
	var list struct{ Data map[string]string }
	if err := json.Unmarshal([]byte(r.API.At("/api/v1/namespaces/kube-system/configmaps/mkube-nodes")), &list); err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(strings.Join(slices.Sorted(maps.Keys(list.Data)), " "), "mkube-", "")
}

const routesFile = "/etc/mkube/pod-network/routes"

func TestAddWorker(t *testing.T) {
	t.Parallel()
	r := up(t, workers)
	name, err := r.addNode(t, config.Node{Role: config.Worker, Labels: map[string]string{"tier": "front"}})
	if err != nil || name != "mkube-worker3" {
		t.Fatalf("added %q, %v", name, err)
	}
	if got := r.Names(t); got != "control-plane worker worker2 worker3" {
		t.Errorf("the nodes are %s", got)
	}
	if flags := r.File(t, "worker3", "/var/lib/kubelet/flags.env"); !strings.Contains(flags, "--node-labels=tier=front") {
		t.Errorf("the kubelet's flags are %s", flags)
	}
	if routes := r.File(t, "worker", routesFile); !strings.Contains(routes, "10.244.3.0/24 via 10.89.0.5") || !r.ran("worker", "restart mkube-pod-network") {
		t.Errorf("the routes of another node are %q", routes)
	}
	if strings.Contains(r.File(t, "worker3", "/etc/kubernetes/kubelet.conf"), "127.0.0.1") || r.File(t, "worker3", "/etc/kubernetes/pki/ca.key")+r.File(t, "worker3", "/etc/mkube/pki/ca.key") != "" {
		t.Error("the worker has what is a control plane's")
	}
	if got := r.listed(t); got != "control-plane worker worker2 worker3" {
		t.Errorf("the cloud controller manager is told of %s", got)
	}
	if !strings.Contains(r.File(t, "control-plane", "/etc/mkube/cluster.yaml"), "tier: front") {
		t.Error("the cluster's configuration does not know the new node")
	}
}

// TestAddKeepsExtraFiles checks that a new node gets the user's files, which only the control planes
// keep.
func TestAddKeepsExtraFiles(t *testing.T) {
	t.Parallel()
	cfg := workers
	cfg.ExtraFiles = map[string][]config.ExtraFile{
		"kube-proxy":     {{Content: new("of kube-proxy"), Path: "/etc/kubernetes/extra/proxy"}},
		"kube-apiserver": {{Content: new("of the API server"), Path: "/etc/kubernetes/extra/server"}},
	}
	r := up(t, cfg)
	if _, err := r.addNode(t, config.Node{Role: config.Worker}); err != nil {
		t.Fatal(err)
	}
	for _, node := range []string{"worker", "worker3"} {
		if got := r.File(t, node, "/etc/kubernetes/extra/proxy") + r.File(t, node, "/etc/kubernetes/extra/server"); got != "of kube-proxy" {
			t.Errorf("%s has %q", node, got)
		}
	}
	if got := r.File(t, "control-plane", "/etc/kubernetes/extra/server"); got != "of the API server" {
		t.Errorf("the control plane has %q", got)
	}
}

// TestPlacesStay checks that a removed node leaves its index to the next node of its role.
func TestPlacesStay(t *testing.T) {
	t.Parallel()
	r := up(t, workers)
	if err := r.removeNode(t, "worker"); err != nil {
		t.Fatal(err)
	}
	if got := r.Names(t); got != "control-plane worker2" {
		t.Errorf("the nodes are %s", got)
	}
	if got := r.listed(t); got != "control-plane worker2" {
		t.Errorf("the cloud controller manager is told of %s", got)
	}
	if !r.ran("control-plane", "kubectl drain mkube-worker") {
		t.Error("the node was not drained")
	}
	if routes := r.File(t, "worker2", routesFile); strings.Contains(routes, "10.244.1.0") {
		t.Errorf("there are routes to a node that is gone: %s", routes)
	}
	name, err := r.addNode(t, config.Node{Role: config.Worker})
	if err != nil || name != "mkube-worker" {
		t.Fatalf("added %q, %v", name, err)
	}
	if routes := r.File(t, "worker2", routesFile); !strings.Contains(routes, "10.244.1.0/24 via 10.89.0.3") {
		t.Errorf("the routes are %s", routes)
	}
}

func TestAddAndRemoveControlPlane(t *testing.T) {
	t.Parallel()
	r := up(t, planes)
	name, err := r.addNode(t, config.Node{Role: config.ControlPlane})
	if err != nil || name != "mkube-control-plane4" {
		t.Fatalf("added %q, %v", name, err)
	}
	if !r.ran("control-plane", "mkube-etcd member add https://10.89.0.6:2380") {
		t.Error("etcd was not told of the member")
	}
	manifest := r.File(t, "control-plane4", "/etc/kubernetes/manifests/etcd.yaml")
	if !strings.Contains(manifest, "--initial-cluster-state=existing") || !strings.Contains(manifest, "mkube-control-plane4=https://10.89.0.6:2380") {
		t.Errorf("etcd is started as\n%s", manifest)
	}
	const haproxy = "/etc/mkube/haproxy.cfg"
	if cfg := r.File(t, "external-load-balancer", haproxy); strings.Count(cfg, "10.89.0.6:6443") != 2 {
		t.Errorf("the load balancer does not know the new server:\n%s", cfg)
	}
	if err := r.removeNode(t, "control-plane4"); err != nil {
		t.Fatal(err)
	}
	if !r.ran("control-plane", "mkube-etcd member remove https://10.89.0.6:2380") {
		t.Error("etcd was not told that the member has gone")
	}
	if cfg := r.File(t, "external-load-balancer", haproxy); strings.Contains(cfg, "10.89.0.6") {
		t.Errorf("the load balancer still leads to a server that is gone:\n%s", cfg)
	}
}

// TestAddFails checks that a failed add leaves the cluster as before.
func TestAddFails(t *testing.T) {
	t.Parallel()
	r := up(t, planes)
	broken := errors.New("no such luck")
	r.Before = func(_ context.Context, c fake.Call) error {
		if c.Method == "Boot" && c.Node == "mkube-control-plane4" {
			return broken
		}
		return nil
	}
	if _, err := r.addNode(t, config.Node{Role: config.ControlPlane}); !errors.Is(err, broken) {
		t.Fatalf("AddNode = %v; want %v", err, broken)
	}
	if got := r.Names(t); got != "control-plane control-plane2 control-plane3 external-load-balancer" {
		t.Errorf("the nodes are %s", got)
	}
	if !r.ran("control-plane", "mkube-etcd member remove https://10.89.0.6:2380") {
		t.Error("etcd still waits for the member")
	}
}

func TestChangesRefused(t *testing.T) {
	t.Parallel()
	single, many := up(t, config.Cluster{}), up(t, planes)
	for _, test := range []struct {
		name string
		err  error
		want string
	}{
		{"a second control plane", second(single.addNode(t, config.Node{Role: config.ControlPlane})), "has no load balancer"},
		{"a wrong label", second(single.addNode(t, config.Node{Role: config.Worker, Labels: map[string]string{"a b": ""}})), `nodes[1].labels["a b"] has an invalid key`},
		{"the only control plane", single.removeNode(t, "control-plane"), "mkube delete cluster --name mkube deletes the cluster"},
		{"the load balancer", many.removeNode(t, "external-load-balancer"), "is the load balancer of the cluster's API servers"},
		{"no such node", many.removeNode(t, "worker7"), `cluster "mkube" has no node "worker7"; its nodes are mkube-control-plane, `},
	} {
		if test.err == nil || !strings.Contains(test.err.Error(), test.want) {
			t.Errorf("%s: %v; want %q", test.name, test.err, test.want)
		}
	}
	if calls := single.Calls(); slices.ContainsFunc(calls, func(c fake.Call) bool { return c.Method == "Add" || c.Method == "Remove" }) {
		t.Error("something was made or taken away")
	}
}

func second[T any](_ T, err error) error { return err }

// TestDrainRefused checks that a node stays if a pod cannot be evicted.
func TestDrainRefused(t *testing.T) {
	t.Parallel()
	r := up(t, workers)
	r.Broken = func(args []string) (string, int, bool) { return "", 1, slices.Contains(args, "drain") }
	if err := r.removeNode(t, "worker"); err == nil || !strings.Contains(err.Error(), "--drain 0") {
		t.Errorf("RemoveNode = %v", err)
	}
	if got := r.Names(t); got != "control-plane worker worker2" {
		t.Errorf("the nodes are %s", got)
	}
}

// TestDeadNode checks that a node that does not run is not drained.
func TestDeadNode(t *testing.T) {
	t.Parallel()
	r := up(t, workers)
	r.Before = func(_ context.Context, c fake.Call) error {
		if c.Method == "Run" && c.Node == "mkube-worker" {
			return errors.New("not running")
		}
		return nil
	}
	var deleted bool
	r.API.Handle("/api/v1/nodes/mkube-worker", func(w http.ResponseWriter, req *http.Request) {
		deleted = deleted || req.Method == http.MethodDelete
		w.Header().Set("Content-Type", "application/json")
		w.Write([]byte(strings.NewReplacer(`"Pod"`, `"Node"`).Replace(componenttest.ReadyPod)))
	})
	if err := r.removeNode(t, "worker"); err != nil {
		t.Fatal(err)
	}
	if r.ran("control-plane", "kubectl drain") || !deleted {
		t.Error("a dead node was drained, or its object left")
	}
}

var _ provider.Changer = (*rig)(nil)
