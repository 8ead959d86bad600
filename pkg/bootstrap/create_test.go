package bootstrap_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mkube/mkube/pkg/bootstrap"
	"github.com/mkube/mkube/pkg/component/componenttest"
	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/progress"
	"github.com/mkube/mkube/pkg/provider/fake"
)

func TestCreate(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	c, err := r.create(t.Context(), config.Cluster{Nodes: []config.Node{{}, {Role: config.Worker}}}, bootstrap.Options{Wait: time.Minute, SwitchContext: true})
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Nodes) != 2 || c.API.Check(t.Context(), "/readyz") != nil {
		t.Errorf("the cluster has %d nodes and its API is no good", len(c.Nodes))
	}
	var ends []string
	for step, state := range r.ends() {
		if state != progress.Done {
			t.Errorf("step %s is %s at the end", step, state)
		}
		ends = append(ends, step)
	}
	if want := len(bootstrap.Components(config.Cluster{})) + 2; len(ends) != want {
		t.Errorf("%d steps have ended: %q; want %d", len(ends), ends, want)
	}
	data, err := os.ReadFile(r.kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	text, err := componenttest.Readable(data)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"current-context: mkube-mkube\n", "server: https://" + r.served["mkube-control-plane"], "CN=kubernetes-admin,O=system:masters", "name: theirs"} {
		if !strings.Contains(text, part) {
			t.Errorf("the kubeconfig has no %q:\n%s", part, text)
		}
	}
	wantFiles(t, c.Nodes[0].(*fake.Node), "etcd.yaml kube-apiserver.yaml kube-controller-manager.yaml kube-proxy.yaml kube-scheduler.yaml")
	wantFiles(t, c.Nodes[1].(*fake.Node), "kube-proxy.yaml")
	for _, kind := range []string{"clusterroles", "clusterrolebindings"} {
		if path := "/apis/rbac.authorization.k8s.io/v1/" + kind + "/system:kube-scheduler"; !slices.Contains(r.api.Created(), path) {
			t.Errorf("%s was not created, only %q", path, r.api.Created())
		}
	}
}

// wantFiles compares a node's static pods; and every node has what a node needs.
func wantFiles(t *testing.T, n *fake.Node, want string) {
	t.Helper()
	var manifests []string
	for path := range n.Files() {
		if name, ok := strings.CutPrefix(path, "/etc/kubernetes/manifests/"); ok {
			manifests = append(manifests, name)
		}
	}
	slices.Sort(manifests)
	if got := strings.Join(manifests, " "); got != want {
		t.Errorf("the static pods of %s are %s; want %s", n.Name(), got, want)
	}
	for _, path := range []string{"/etc/containerd/config.toml", "/var/lib/kubelet/config.yaml", "/etc/cni/net.d/10-mkube.conflist", "/etc/kubernetes/pki/ca.crt"} {
		if _, ok := n.File(path); !ok {
			t.Errorf("%s has no %s", n.Name(), path)
		}
	}
}

// TestWorkersKnowNoSecretOfTheControlPlane: what lies on a worker is no key that
// others are signed by, and nobody's identity but its own.
func TestWorkersKnowNoSecretOfTheControlPlane(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	c, err := r.create(t.Context(), config.Cluster{Nodes: []config.Node{{}, {Role: config.Worker}}}, bootstrap.Options{Wait: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	var secrets []string
	for path, f := range c.Nodes[1].(*fake.Node).Files() {
		if strings.Contains(string(f.Data), "PRIVATE KEY") || strings.Contains(string(f.Data), "client-key-data") {
			secrets = append(secrets, path)
			if f.Mode.Perm() != 0o600 {
				t.Errorf("%s may be read by others: %o", path, f.Mode.Perm())
			}
		}
	}
	slices.Sort(secrets)
	want := []string{"/etc/kubernetes/kube-proxy.conf", "/etc/kubernetes/kubelet.conf", "/var/lib/kubelet/pki/kubelet.key"}
	if !slices.Equal(secrets, want) {
		t.Errorf("the worker has the secrets %q; want %q", secrets, want)
	}
}

// TestEventsTellTheStory: all steps are announced before the first begins, and none
// is done before all that it needs is; but for the API server, which serves, and so
// is of use, before it is ready.
func TestEventsTellTheStory(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	if _, err := r.create(t.Context(), config.Cluster{}, bootstrap.Options{Wait: time.Minute}); err != nil {
		t.Fatal(err)
	}
	events := r.recorder.Events()
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
				if !running[need] && e.Step != "coredns" {
					t.Errorf("%s begins before %s, which it needs", e.Step, need)
				}
			}
		case progress.Done:
			done[e.Step] = true
			for _, need := range needs[e.Step] {
				if !done[need] && need != "kube-apiserver" && e.Step != "coredns" { // which only uses some
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

// TestStagesThatFail: whatever fails, Create says so and leaves nothing.
func TestStagesThatFail(t *testing.T) {
	t.Parallel()
	no := errors.New("no luck")
	failing := func(method string) func(*rig) {
		return func(r *rig) {
			r.Before = func(_ context.Context, c fake.Call) error {
				if c.Method == method {
					return no
				}
				return nil
			}
		}
	}
	command := func(name string) func(*rig) {
		return func(r *rig) {
			r.broken = func(args []string) (string, int, bool) {
				return "no luck\n", 3, strings.Contains(strings.Join(args, " "), name)
			}
		}
	}
	answer := func(path, body string, code int) func(*rig) {
		return func(r *rig) {
			r.api.Handle(path, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(code)
				w.Write([]byte(body))
			})
		}
	}
	for name, test := range map[string]struct {
		damage func(*rig)
		cfg    config.Cluster
		stuck  string // the component at which the time is up
		want   string // what the error begins with
	}{
		"check":    {failing("Check"), config.Cluster{}, "", "no luck"},
		"clusters": {failing("Clusters"), config.Cluster{}, "", "no luck"},
		"nodes":    {failing("Create"), config.Cluster{}, "", "no luck"},
		"boot":     {failing("Boot"), config.Cluster{}, "", "no luck"},
		"render": {
			func(*rig) {}, config.Cluster{ContainerdConfigPatches: []string{"no = = TOML"}}, "",
			"rendering the files of containerd: reading containerdConfigPatches[0]: ",
		},
		"containerd": {
			command("containerd.service"), config.Cluster{}, "containerd",
			"containerd on mkube-control-plane: not ready: starting containerd.service: exit code 3 (gave up after ",
		},
		"kubelet": {
			command("10248"), config.Cluster{}, "kubelet",
			"kubelet on mkube-control-plane: not ready: running mkube-probe 10248 /healthz on mkube-control-plane: exit code 3 (gave up after ",
		},
		"etcd": {
			command("2381"), config.Cluster{}, "etcd",
			"etcd on mkube-control-plane: not ready: running mkube-probe 2381 /readyz on mkube-control-plane: exit code 3 (gave up after ",
		},
		"apiserver": {
			answer("/readyz", "[-]etcd failed\n", 500), config.Cluster{}, "kube-apiserver",
			"kube-apiserver on mkube-control-plane: not ready: /readyz?verbose answers 500: not yet etcd (gave up after ",
		},
		"controller-manager": {
			answer(account, `{"kind":"Status","status":"Failure","message":"not found","code":404}`, 404), config.Cluster{}, "kube-controller-manager",
			"kube-controller-manager on mkube-control-plane: not ready: the default service account: not found (gave up after ",
		},
		"scheduler": {
			answer(systemPods+"kube-scheduler-mkube-control-plane", `{"kind":"Pod","metadata":{"name":"s"},"status":{"phase":"Pending"}}`, 200), config.Cluster{}, "kube-scheduler",
			"kube-scheduler on mkube-control-plane: not ready: pod s is Pending and not Ready (gave up after ",
		},
		"coredns": {
			answer(deployments, `{"kind":"Status","status":"Failure","reason":"Forbidden","message":"no","code":403}`, 403), config.Cluster{}, "",
			"coredns: creating Deployment coredns: no",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			test.damage(r)
			c, err := r.create(r.untilStuck(t, test.stuck), test.cfg, bootstrap.Options{Wait: time.Minute})
			if c != nil || !strings.HasPrefix(fmt.Sprint(err), test.want) {
				t.Errorf("Create = %v, %v; want %s", c, err, test.want)
			}
			r.Before = nil
			r.wantNothing(t)
		})
	}
}

func TestKubeconfigThatFails(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	if err := os.WriteFile(r.kubeconfig, []byte("no: [kubeconfig"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := r.create(t.Context(), config.Cluster{}, bootstrap.Options{Wait: time.Minute}); err == nil || !strings.Contains(err.Error(), r.kubeconfig) {
		t.Errorf("Create = %v; want an error that names %s", err, r.kubeconfig)
	}
	if clusters, _ := r.Clusters(t.Context()); len(clusters) != 0 {
		t.Errorf("clusters %q are left", clusters)
	}
}

func TestRetain(t *testing.T) {
	t.Parallel()
	for _, stage := range []struct{ command, component string }{{"containerd.service", "containerd"}, {"2381", "etcd"}} {
		r := newRig(t)
		r.broken = func(args []string) (string, int, bool) {
			return "", 3, strings.Contains(strings.Join(args, " "), stage.command)
		}
		c, err := r.create(r.untilStuck(t, stage.component), config.Cluster{}, bootstrap.Options{Wait: time.Minute, Retain: true})
		if err == nil || c == nil {
			t.Errorf("Create = %v, %v; want both an error and the cluster", c, err)
		}
		if nodes, _ := r.Nodes(t.Context(), "mkube"); len(nodes) != 1 {
			t.Errorf("%d nodes are left; want 1", len(nodes))
		}
		if err := bootstrap.Delete(t.Context(), r, "mkube", []string{r.kubeconfig}); err != nil {
			t.Error(err)
		}
		r.wantNothing(t)
	}
}

func TestNameIsTaken(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	if _, err := r.create(t.Context(), config.Cluster{Name: "dev"}, bootstrap.Options{Wait: time.Minute}); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(r.kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	_, err = r.create(t.Context(), config.Cluster{Name: "dev"}, bootstrap.Options{Wait: time.Minute})
	want := `cluster "dev" exists already: mkube delete cluster --name dev takes it away, or choose another name by --name`
	if fmt.Sprint(err) != want {
		t.Errorf("Create = %v; want %s", err, want)
	}
	if nodes, _ := r.Nodes(t.Context(), "dev"); len(nodes) != 1 {
		t.Errorf("%d nodes of the first are left", len(nodes))
	}
	if after, _ := os.ReadFile(r.kubeconfig); string(after) != string(before) {
		t.Error("the kubeconfig has changed")
	}
}

// TestCancel: Ctrl-C leaves nothing, at whatever moment it comes.
func TestCancel(t *testing.T) {
	t.Parallel()
	for _, moment := range []string{"Check", "Create", "Boot", "Run", "Endpoint"} {
		t.Run(moment, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			r.Before = func(ctx context.Context, c fake.Call) error {
				if c.Method != moment {
					return nil
				}
				cancel()
				<-ctx.Done()
				return ctx.Err()
			}
			_, err := r.create(ctx, config.Cluster{}, bootstrap.Options{Wait: time.Minute})
			if !errors.Is(err, context.Canceled) {
				t.Errorf("Create = %v; want context.Canceled", err)
			}
			r.wantNothing(t)
		})
	}
}

// TestCleanUpThatFails: its error is joined to the first, with what to do next.
func TestCleanUpThatFails(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.Before = func(_ context.Context, c fake.Call) error {
		switch c.Method {
		case "Boot":
			return errors.New("no power")
		case "Delete":
			return errors.New("no hands")
		}
		return nil
	}
	_, err := r.create(t.Context(), config.Cluster{}, bootstrap.Options{})
	want := "no power\ncleaning up: no hands; mkube delete cluster --name mkube tries again"
	if fmt.Sprint(err) != want {
		t.Errorf("Create = %v; want %s", err, want)
	}
}

// TestNoWait: Create returns when the API server is ready, with all else started.
func TestNoWait(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.api.Handle(systemPods+"kube-scheduler-mkube-control-plane", func(w http.ResponseWriter, _ *http.Request) {
		t.Error("the scheduler is waited for")
		http.NotFound(w, nil)
	})
	c, err := r.create(t.Context(), config.Cluster{}, bootstrap.Options{})
	if err != nil {
		t.Fatal(err)
	}
	wantFiles(t, c.Nodes[0].(*fake.Node), "etcd.yaml kube-apiserver.yaml kube-controller-manager.yaml kube-proxy.yaml kube-scheduler.yaml")
	if !slices.Contains(r.api.Created(), deployments+"/coredns") {
		t.Errorf("CoreDNS was not asked for: %q", r.api.Created())
	}
}

func TestNoKubeconfig(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	c, err := bootstrap.Create(t.Context(), r, config.Cluster{}.Default(), bootstrap.Options{Wait: time.Minute, On: r.recorder.On})
	if err != nil || c == nil {
		t.Fatal(err)
	}
	if data, _ := os.ReadFile(r.kubeconfig); string(data) != entryOfOthers {
		t.Error("the kubeconfig has changed")
	}
	if state, ok := r.ends()["kubeconfig"]; ok {
		t.Errorf("a step kubeconfig is %s", state)
	}
}

func TestComponents(t *testing.T) {
	t.Parallel()
	all := []string{"containerd", "kubelet", "etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "cni", "kube-proxy", "coredns"}
	without := func(name string) []string {
		return slices.DeleteFunc(slices.Clone(all), func(s string) bool { return s == name })
	}
	for name, test := range map[string]struct {
		networking config.Networking
		want       []string
	}{
		"all":           {config.Networking{}, all},
		"no CNI":        {config.Networking{DisableDefaultCNI: true}, without("cni")},
		"no kube-proxy": {config.Networking{KubeProxyMode: config.ProxyNone}, without("kube-proxy")},
	} {
		g := bootstrap.Components(config.Cluster{Networking: test.networking})
		if got := g.Names(); !slices.Equal(got, test.want) {
			t.Errorf("%s: Components are %q; want %q", name, got, test.want)
		}
		if err := g.Check(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestComponentsTakeExtraArgs: what config lets extraArgs name is a component.
func TestComponentsTakeExtraArgs(t *testing.T) {
	t.Parallel()
	names := bootstrap.Components(config.Cluster{}).Names()
	for _, name := range config.Components() {
		if !slices.Contains(names, name) {
			t.Errorf("extraArgs may name %s, which is no component", name)
		}
	}
}
