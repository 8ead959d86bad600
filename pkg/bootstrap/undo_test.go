package bootstrap_test

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mkube/mkube/internal/testing/fake"
	"github.com/mkube/mkube/pkg/bootstrap"
	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/provider"
	"github.com/mkube/mkube/pkg/state"
)

// A stop is a moment at which an addition fails or is canceled.
type stop struct {
	name      string
	cancelled bool
	at        func(c fake.Call, node string) bool
}

// stops lists such moments, from the beginning of an addition to its end.
var stops = []stop{
	{"it fails when it is made", false, func(c fake.Call, _ string) bool { return c.Method == "Add" }},
	{"it fails when it boots", false, func(c fake.Call, node string) bool { return c.Method == "Boot" && c.Node == node }},
	// By then, the other nodes know the new node.
	{"it is cancelled when its components come up", true, func(c fake.Call, node string) bool {
		return c.Method == "Run" && c.Node == node
	}},
}

// TestAFailedAddLeavesTheClusterAsBefore checks that no file of any node differs, and that neither
// etcd nor the API knows the node.
func TestAFailedAddLeavesTheClusterAsBefore(t *testing.T) {
	t.Parallel()
	for node, role := range map[string]config.Role{"mkube-worker": config.Worker, "mkube-control-plane4": config.ControlPlane} {
		for _, s := range stops {
			t.Run(node+": "+s.name, func(t *testing.T) {
				t.Parallel()
				asBefore(t, role, node, s)
			})
		}
	}
}

func asBefore(t *testing.T, role config.Role, node string, s stop) {
	r := up(t, planes)
	files, names, listed := r.EveryFile(t), r.Names(t), r.listed(t)
	deleted := r.deletions(t, node)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	broken := errors.New("no such luck")
	var reached atomic.Bool
	r.Before = func(ctx context.Context, c fake.Call) error {
		if !s.at(c, node) {
			return nil
		}
		reached.Store(true)
		if s.cancelled {
			cancel()
			return ctx.Err()
		}
		return broken
	}
	_, err := bootstrap.AddNode(ctx, r, "mkube", config.Node{Role: role}, bootstrap.Options{Wait: time.Minute})
	if !reached.Load() || err == nil || s.cancelled && !errors.Is(err, context.Canceled) {
		t.Fatalf("AddNode = %v, and the moment came: %t", err, reached.Load())
	}
	r.Before = nil
	if got := r.Names(t); got != names {
		t.Errorf("the nodes are %s; were %s", got, names)
	}
	if got := r.listed(t); got != listed {
		t.Errorf("the cloud controller manager is told of %s; was of %s", got, listed)
	}
	after := r.EveryFile(t)
	for _, path := range slices.Sorted(maps.Keys(files)) {
		if after[path] != files[path] {
			t.Errorf("%s differs:\n%s\nand was\n%s", path, after[path], files[path])
		}
	}
	for path := range after {
		if _, ok := files[path]; !ok {
			t.Errorf("%s is left", path)
		}
	}
	if added, removed := r.count("mkube-etcd member add"), r.count("mkube-etcd member remove"); added != removed {
		t.Errorf("%d members were added to etcd, and %d removed", added, removed)
	}
	if s.name != stops[0].name && deleted.Load() == 0 {
		t.Errorf("once %s was gone its object was not deleted", node)
	}
}

// count returns the number of commands with these words that ran on the first control plane.
func (r *rig) count(words string) int {
	n := 0
	for _, c := range r.Calls() {
		if c.Node == "mkube-control-plane" && strings.Contains(strings.Join(c.Args, " "), words) {
			n++
		}
	}
	return n
}

// deletions counts how often the object of a node is deleted after the node was removed. After an
// earlier deletion, a kubelet that still starts would register the node again.
func (r *rig) deletions(t *testing.T, node string) *atomic.Int32 {
	count := new(atomic.Int32)
	r.API.Handle("/api/v1/nodes/"+node, func(w http.ResponseWriter, req *http.Request) {
		if req.Method == http.MethodDelete && !slices.Contains(strings.Fields(r.Names(t)), strings.TrimPrefix(node, "mkube-")) {
			count.Add(1)
		}
		http.NotFound(w, req)
	})
	return count
}

// TestRetainedAdd checks that --retain keeps the node.
func TestRetainedAdd(t *testing.T) {
	t.Parallel()
	r := up(t, workers)
	r.Before = func(_ context.Context, c fake.Call) error {
		if c.Method == "Boot" {
			return errors.New("no such luck")
		}
		return nil
	}
	_, err := bootstrap.AddNode(t.Context(), r, "mkube", config.Node{Role: config.Worker}, bootstrap.Options{Wait: time.Minute, Retain: true})
	if err == nil {
		t.Fatal("AddNode succeeds")
	}
	if got := r.Names(t); got != "control-plane worker worker2 worker3" {
		t.Errorf("the nodes are %s", got)
	}
}

// TestHalfAdded checks that a node that lacks components has not joined, and that a node with all
// components has.
func TestHalfAdded(t *testing.T) {
	t.Parallel()
	r := up(t, workers)
	r.Broken = func(args []string) (string, int, bool) {
		return "", 1, len(args) > 2 && args[0] == "mkube-probe" && args[2] == "10256"
	}
	want := config.Node{Role: config.Worker}
	if _, err := bootstrap.AddNode(t.Context(), r, "mkube", want, bootstrap.Options{Wait: 3 * time.Second, Retain: true}); err == nil || !strings.Contains(err.Error(), "kube-proxy on mkube-worker3") {
		t.Fatalf("AddNode = %v; want kube-proxy to be late", err)
	}
	r.Broken = nil
	if c, err := state.Open(t.Context(), r, "mkube"); err != nil || len(c.Strays) != 1 || len(c.Nodes) != 3 {
		t.Fatalf("Open = %v, %v; want a stray", c, err)
	}
	if err := bootstrap.Start(t.Context(), r, "mkube", bootstrap.Options{Wait: time.Minute}); err != nil {
		t.Errorf("Start = %v", err)
	}
	if name, err := r.addNode(t, want); err != nil || name != "mkube-worker3" {
		t.Errorf("AddNode = %s, %v", name, err)
	}
	if c, err := state.Open(t.Context(), r, "mkube"); err != nil || len(c.Strays) != 0 || len(c.Nodes) != 4 {
		t.Errorf("Open = %v, %v; want four nodes", c, err)
	}
}

// order returns the index of the first call that f accepts.
func (r *rig) order(t *testing.T, what string, f func(fake.Call) bool) int {
	t.Helper()
	i := slices.IndexFunc(r.Calls(), f)
	if i < 0 {
		t.Fatalf("it never came to this: %s", what)
	}
	return i
}

// etcdAsked returns a function that accepts a request to etcd.
func etcdAsked(path string) func(fake.Call) bool {
	return func(c fake.Call) bool {
		return c.Method == "Run" && c.Args[0] == "mkube-etcd" && strings.Contains(strings.Join(c.Args, " "), path)
	}
}

// TestMembersComeFirstAndGoFirst checks two orders. etcd learns of a member before its node boots,
// because an unknown member exits immediately. etcd forgets a member before its node is removed,
// because with few members, a missing one costs the quorum.
func TestMembersComeFirstAndGoFirst(t *testing.T) {
	t.Parallel()
	r := up(t, planes)
	if _, err := r.addNode(t, config.Node{Role: config.ControlPlane}); err != nil {
		t.Fatal(err)
	}
	added := r.order(t, "etcd learns of the member", etcdAsked("member add"))
	booted := r.order(t, "the node boots", func(c fake.Call) bool { return c.Method == "Boot" && c.Node == "mkube-control-plane4" })
	if added > booted {
		t.Error("the node boots before etcd knows its member")
	}
	if err := r.removeNode(t, "control-plane4"); err != nil {
		t.Fatal(err)
	}
	forgotten := r.order(t, "etcd forgets the member", etcdAsked("member remove"))
	removed := r.order(t, "the node is removed", func(c fake.Call) bool { return c.Method == "Remove" && c.Node == "mkube-control-plane4" })
	if forgotten > removed {
		t.Error("the node is removed before etcd has forgotten its member")
	}
}

// TestAMemberThatStays checks that a node stays if etcd refuses to remove its member.
func TestAMemberThatStays(t *testing.T) {
	t.Parallel()
	r := up(t, planes)
	r.Broken = func(args []string) (string, int, bool) {
		return "", 22, len(args) > 2 && args[0] == "mkube-etcd" && args[2] == "remove"
	}
	if err := r.removeNode(t, "control-plane3"); provider.ExitCode(err) != 22 {
		t.Errorf("RemoveNode = %v", err)
	}
	if got := r.Names(t); got != "control-plane control-plane2 control-plane3 external-load-balancer" {
		t.Errorf("the nodes are %s", got)
	}
}
