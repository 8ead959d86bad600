package stages_test

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mkube/mkube/internal/testing/bootstraptest"
	"github.com/mkube/mkube/pkg/bootstrap"
	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/learn/stages"
	"github.com/mkube/mkube/pkg/state"
)

// staged returns a rig with a cluster that was built up to a component.
func staged(t *testing.T, until string) *rig {
	t.Helper()
	r := newRig(t)
	r.Broken = func(args []string) (string, int, bool) {
		// Scripts print what they find. Empty output means that nothing runs any more.
		return "", 0, args[0] == "sh"
	}
	if _, err := r.CreateCluster(t.Context(), config.Cluster{}, bootstrap.Options{Wait: time.Minute, Until: until}); err != nil {
		t.Fatal(err)
	}
	return r
}

// flagsFile has the flags with which a kubelet registers.
const flagsFile = "/var/lib/kubelet/registration.env"

// TestUntil checks that later components are not up, and that the cluster records the last one.
func TestUntil(t *testing.T) {
	t.Parallel()
	r := staged(t, "etcd")
	bootstraptest.WantStaticPods(t, r.First(t), "etcd.yaml")
	if got := r.File(t, "control-plane", flagsFile); strings.Contains(got, "--kubeconfig") {
		t.Errorf("the kubelet registers: %s", got)
	}
	if got := r.File(t, "control-plane", "/etc/mkube/stage"); got != "etcd\n" {
		t.Errorf("the stage is %q", got)
	}
	if _, ok := r.Ends()["kube-apiserver"]; ok {
		t.Error("the API server was a step")
	}
	_, err := r.CreateCluster(t.Context(), config.Cluster{Name: "b"}, bootstrap.Options{Until: "nothing"})
	if err == nil || !strings.Contains(err.Error(), `unknown component "nothing"`) {
		t.Errorf("Create = %v", err)
	}
}

func TestNextAndBack(t *testing.T) {
	t.Parallel()
	r := staged(t, "etcd")
	next := func(until string, want ...string) {
		t.Helper()
		names, err := stages.Next(t.Context(), r, "mkube", until, bootstrap.Options{Wait: time.Minute, On: r.Recorder.On})
		if err != nil || !slices.Equal(names, want) {
			t.Fatalf("Next(%q) = %q, %v; want %q", until, names, err, want)
		}
	}
	back := func(want string) {
		t.Helper()
		if name, err := stages.Back(t.Context(), r, "mkube"); err != nil || name != want {
			t.Fatalf("Back = %q, %v; want %q", name, err, want)
		}
	}
	next("", "kube-apiserver")
	next("kube-scheduler", "node-registration", "kube-controller-manager", "kube-scheduler")
	if got := r.File(t, "control-plane", flagsFile); !strings.Contains(got, "--kubeconfig") {
		t.Errorf("the kubelet does not register: %s", got)
	}
	bootstraptest.WantStaticPods(t, r.First(t), "etcd.yaml kube-apiserver.yaml kube-controller-manager.yaml kube-scheduler.yaml")
	if _, err := stages.Next(t.Context(), r, "mkube", "etcd", bootstrap.Options{}); err == nil || err.Error() != "etcd is already up: the next component is kube-network-policies" {
		t.Errorf("Next = %v", err)
	}
	back("kube-scheduler")
	back("kube-controller-manager")
	back("node-registration")
	bootstraptest.WantStaticPods(t, r.First(t), "etcd.yaml kube-apiserver.yaml")
	if got := r.File(t, "control-plane", flagsFile) + r.File(t, "control-plane", "/etc/kubernetes/kubelet.conf"); strings.Contains(got, "--kubeconfig") || strings.Contains(got, "client-key") {
		t.Errorf("the kubelet still registers: %s", got)
	}
	if got := r.File(t, "control-plane", "/var/lib/kubelet/config.yaml"); !strings.Contains(got, "enableServer: false") {
		t.Errorf("the kubelet's configuration is\n%s", got)
	}
	for _, name := range []string{"kube-apiserver", "etcd", "kubelet", "cni"} {
		back(name)
	}
	if _, err := stages.Back(t.Context(), r, "mkube"); err == nil || !strings.Contains(err.Error(), "containerd is the first component") {
		t.Errorf("Back = %v", err)
	}
	for path := range r.First(t).Files() {
		if strings.HasPrefix(path, "/etc/kubernetes/") && !r.First(t).Files()[path].Mode.IsDir() {
			t.Errorf("%s is left", path)
		}
	}
}

// TestNextOfAll checks the error for a cluster that has all components.
func TestNextOfAll(t *testing.T) {
	t.Parallel()
	r := staged(t, "")
	_, err := stages.Next(t.Context(), r, "mkube", "", bootstrap.Options{})
	if complete := (*stages.CompleteError)(nil); !errors.As(err, &complete) || !strings.Contains(err.Error(), `cluster "mkube" is complete: local-path-provisioner is its last component`) {
		t.Errorf("Next = %v", err)
	}
}

func TestStages(t *testing.T) {
	t.Parallel()
	r := staged(t, "kube-controller-manager")
	r.API.Handle(bootstraptest.Account, func(w http.ResponseWriter, _ *http.Request) { http.NotFound(w, nil) })
	c, err := state.Open(t.Context(), r, "mkube")
	if err != nil {
		t.Fatal(err)
	}
	list, err := stages.List(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	states := map[stages.State][]string{}
	for _, s := range list {
		states[s.State] = append(states[s.State], s.Name)
		if (s.State == stages.NotReady) != strings.Contains(s.Reason, "the default service account") {
			t.Errorf("%s is %s: %s", s.Name, s.State, s.Reason)
		}
	}
	if !slices.Equal(states[stages.NotReady], []string{"kube-controller-manager"}) || len(states[stages.Ready]) != 6 || states[stages.Later][0] != "kube-scheduler" {
		t.Errorf("the stages are %v", states)
	}
}

// TestEveryComponentHasAnEffect checks that each component has an effect, with a unique claim.
func TestEveryComponentHasAnEffect(t *testing.T) {
	t.Parallel()
	claims := map[string]bool{}
	for _, c := range bootstrap.Components(config.Cluster{Nodes: []config.Node{{}, {}, {Role: config.LoadBalancer}}, Addons: config.Addons()}) {
		if c.Effect.Try == nil || c.Effect.Claim == "" || claims[c.Effect.Claim] || strings.HasSuffix(c.Effect.Claim, ".") {
			t.Errorf("%s claims %q", c.Name, c.Effect.Claim)
		}
		claims[c.Effect.Claim] = true
	}
}

// TestNodesOfAStage checks that a node can be added and removed before the cluster has an API
// server.
func TestNodesOfAStage(t *testing.T) {
	t.Parallel()
	r := staged(t, "kubelet")
	name, err := bootstrap.AddNode(t.Context(), r, "mkube", config.Node{Role: config.Worker}, bootstrap.Options{Wait: time.Minute})
	if err != nil || name != "mkube-worker" {
		t.Fatalf("AddNode = %q, %v", name, err)
	}
	if got := r.File(t, "worker", "/var/lib/kubelet/flags.env"); !strings.Contains(got, "--node-ip") || r.File(t, "worker", flagsFile) != "" {
		t.Errorf("the new node's kubelet has the flags %q, and registers with %q", got, r.File(t, "worker", flagsFile))
	}
	if _, err := bootstrap.RemoveNode(t.Context(), r, "mkube", name, bootstrap.RemoveOptions{Drain: time.Minute}); err != nil {
		t.Error(err)
	}
	if got := r.Names(t); got != "control-plane" {
		t.Errorf("the nodes are %s", got)
	}
}
