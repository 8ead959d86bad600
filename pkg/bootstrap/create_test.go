package bootstrap_test

import (
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mkube/mkube/internal/testing/bootstraptest"
	"github.com/mkube/mkube/internal/testing/componenttest"
	"github.com/mkube/mkube/internal/testing/fake"
	"github.com/mkube/mkube/pkg/bootstrap"
	"github.com/mkube/mkube/pkg/component"
	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/progress"
	"github.com/mkube/mkube/pkg/provider"
)

func TestCreate(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	c, err := r.CreateCluster(t.Context(), config.Cluster{Nodes: []config.Node{{}, {Role: config.Worker}}}, bootstrap.Options{Wait: time.Minute, SwitchContext: true})
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Nodes) != 2 || c.API.Check(t.Context(), "/readyz") != nil {
		t.Errorf("the cluster has %d nodes and its API is no good", len(c.Nodes))
	}
	var ends []string
	for step, state := range r.Ends() {
		if state != progress.Done {
			t.Errorf("step %s is %s at the end", step, state)
		}
		ends = append(ends, step)
	}
	if want := len(bootstrap.Components(config.Cluster{})) + 2; len(ends) != want {
		t.Errorf("%d steps have ended: %q; want %d", len(ends), ends, want)
	}
	data, err := os.ReadFile(r.Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	text, err := componenttest.Readable(data)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"current-context: mkube-mkube\n", "server: https://" + r.Served("mkube-control-plane"), "CN=kubernetes-admin,O=system:masters", "name: theirs"} {
		if !strings.Contains(text, part) {
			t.Errorf("the kubeconfig has no %q:\n%s", part, text)
		}
	}
	bootstraptest.WantStaticPods(t, c.Nodes[0].(*fake.Node), "cloud-controller-manager.yaml etcd.yaml kube-apiserver.yaml kube-controller-manager.yaml kube-proxy.yaml kube-scheduler.yaml")
	bootstraptest.WantStaticPods(t, c.Nodes[1].(*fake.Node), "cloud-controller-manager.yaml kube-proxy.yaml")
	for _, kind := range []string{"clusterroles", "clusterrolebindings"} {
		if path := "/apis/rbac.authorization.k8s.io/v1/" + kind + "/system:kube-scheduler"; !slices.Contains(r.API.Created(), path) {
			t.Errorf("%s was not created, only %q", path, r.API.Created())
		}
	}
}

// TestWorkersKnowNoSecretOfTheControlPlane checks that a worker has no key of an authority, and no
// identity other than its own.
func TestWorkersKnowNoSecretOfTheControlPlane(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	c, err := r.CreateCluster(t.Context(), config.Cluster{Nodes: []config.Node{{}, {Role: config.Worker}}}, bootstrap.Options{Wait: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	var secrets []string
	for path, f := range c.Nodes[1].(*fake.Node).Files() {
		if private(provider.File{Data: f.Data}) {
			secrets = append(secrets, path)
			if f.Mode.Perm() != 0o600 {
				t.Errorf("%s may be read by others: %o", path, f.Mode.Perm())
			}
		}
	}
	slices.Sort(secrets)
	want := []string{"/etc/kubernetes/cloud-controller-manager.conf", "/etc/kubernetes/kube-network-policies.conf", "/etc/kubernetes/kube-proxy.conf", "/etc/kubernetes/kubelet.conf", "/etc/mkube/heartbeat.key", "/var/lib/kubelet/pki/kubelet.key"}
	if !slices.Equal(secrets, want) {
		t.Errorf("the worker has the secrets %q; want %q", secrets, want)
	}
}

// TestEventsTellTheStory checks that all steps are announced before the first begins, and that no
// step is done before its dependencies are. The API server is the exception: other components can
// use it before it is ready.
func TestEventsTellTheStory(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	if _, err := r.CreateCluster(t.Context(), config.Cluster{}, bootstrap.Options{Wait: time.Minute}); err != nil {
		t.Fatal(err)
	}
	uses := func(name, other string) bool {
		return slices.ContainsFunc(bootstrap.Components(config.Cluster{}), func(c component.Component) bool {
			return c.Name == name && slices.Contains(c.Waits(component.BeforeReady), other)
		})
	}
	events := r.Recorder.Events()
	needs, done, running := map[string][]string{}, map[string]bool{}, map[string]bool{}
	announced := []string{}
	for _, e := range events {
		switch e.State {
		case progress.Pending:
			if len(running) > 0 || e.Short == "" {
				t.Errorf("%s (%q) is announced late or without a word of what it does", e.Step, e.Short)
			}
			announced = append(announced, e.Step)
			needs[e.Step] = e.Needs
		case progress.Running:
			running[e.Step] = true
			for _, need := range needs[e.Step] {
				if !running[need] && !uses(e.Step, need) {
					t.Errorf("%s begins before %s, which it needs", e.Step, need)
				}
			}
		case progress.Done:
			done[e.Step] = true
			for _, need := range needs[e.Step] {
				if !done[need] && need != "kube-apiserver" && !uses(e.Step, need) {
					t.Errorf("%s is done before %s, which it needs", e.Step, need)
				}
			}
		}
		if e.Time.IsZero() {
			t.Errorf("%s %s has no time", e.Step, e.State)
		}
	}
	want := []string{"nodes"}
	want = append(want, bootstrap.Components(config.Cluster{}).Names()...)
	want = append(want, "kubeconfig")
	if !slices.Equal(announced, want) {
		t.Errorf("announced are %q; want %q", announced, want)
	}
	if last := events[len(events)-1]; last.Step != "kubeconfig" || last.State != progress.Done {
		t.Errorf("the last event is %s %s", last.Step, last.State)
	}
	if !slices.Equal(needs["containerd"], []string{"nodes"}) || !slices.Contains(needs["coredns"], "kube-scheduler") {
		t.Errorf("needs are %q", needs)
	}
}

// TestNoWait checks that Create returns when the API server is ready, and that all other
// components have started.
func TestNoWait(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.API.Handle(bootstraptest.SystemPods+"kube-scheduler-mkube-control-plane", func(w http.ResponseWriter, _ *http.Request) {
		t.Error("the scheduler is waited for")
		http.NotFound(w, nil)
	})
	c, err := r.CreateCluster(t.Context(), config.Cluster{}, bootstrap.Options{})
	if err != nil {
		t.Fatal(err)
	}
	bootstraptest.WantStaticPods(t, c.Nodes[0].(*fake.Node), "cloud-controller-manager.yaml etcd.yaml kube-apiserver.yaml kube-controller-manager.yaml kube-proxy.yaml kube-scheduler.yaml")
	if !slices.Contains(r.API.Created(), bootstraptest.Deployments+"/coredns") {
		t.Errorf("CoreDNS was not asked for: %q", r.API.Created())
	}
}

func TestNoKubeconfig(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	c, err := bootstrap.Create(t.Context(), r, config.Cluster{}.Default(), bootstrap.Options{Wait: time.Minute, On: r.Recorder.On})
	if err != nil || c == nil {
		t.Fatal(err)
	}
	if data, _ := os.ReadFile(r.Kubeconfig); string(data) != bootstraptest.EntryOfOthers {
		t.Error("the kubeconfig has changed")
	}
	if state, ok := r.Ends()["kubeconfig"]; ok {
		t.Errorf("a step kubeconfig is %s", state)
	}
}
