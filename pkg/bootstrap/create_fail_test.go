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

	"github.com/mkube/mkube/internal/testing/bootstraptest"
	"github.com/mkube/mkube/internal/testing/fake"
	"github.com/mkube/mkube/pkg/bootstrap"
	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/progress"
)

// TestStagesThatFail checks that Create reports every failure and leaves nothing.
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
			r.Broken = func(args []string) (string, int, bool) {
				return "no luck\n", 3, strings.Contains(strings.Join(args, " "), name)
			}
		}
	}
	answer := func(path, body string, code int) func(*rig) {
		return func(r *rig) {
			r.API.Handle(path, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(code)
				w.Write([]byte(body))
			})
		}
	}
	for name, test := range map[string]struct {
		damage func(*rig)
		cfg    config.Cluster
		stuck  string // the component at which the time limit ends
		want   string // the beginning of the error
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
			"kubelet on mkube-control-plane: not ready: running mkube-probe http 10248 /healthz on mkube-control-plane: exit code 3 (gave up after ",
		},
		"etcd": {
			command("2381"), config.Cluster{}, "etcd",
			"etcd on mkube-control-plane: not ready: running mkube-probe http 2381 /readyz on mkube-control-plane: exit code 3 (gave up after ",
		},
		"apiserver": {
			answer("/readyz", "[-]etcd failed\n", 500), config.Cluster{}, "kube-apiserver",
			"kube-apiserver on mkube-control-plane: not ready: /readyz?verbose answers 500: not yet etcd (gave up after ",
		},
		"controller-manager": {
			answer(bootstraptest.Account, `{"kind":"Status","status":"Failure","message":"not found","code":404}`, 404), config.Cluster{}, "kube-controller-manager",
			"kube-controller-manager on mkube-control-plane: not ready: the default service account: not found (gave up after ",
		},
		"scheduler": {
			command("10259"), config.Cluster{}, "kube-scheduler",
			"kube-scheduler on mkube-control-plane: not ready: running mkube-probe https 10259 /healthz on mkube-control-plane: exit code 3 (gave up after ",
		},
		"coredns": {
			answer(bootstraptest.Deployments, `{"kind":"Status","status":"Failure","reason":"Forbidden","message":"no","code":403}`, 403), config.Cluster{}, "",
			"coredns: creating Deployment coredns: no",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			test.damage(r)
			c, err := r.CreateCluster(r.UntilStuck(t, test.stuck), test.cfg, bootstrap.Options{Wait: time.Minute})
			if c != nil || !strings.HasPrefix(fmt.Sprint(err), test.want) {
				t.Errorf("Create = %v, %v; want %s", c, err, test.want)
			}
			r.Before = nil
			r.WantNothing(t)
		})
	}
}

// TestKubeconfigThatBreaks checks that a running cluster stays if only its entry could not be
// written.
func TestKubeconfigThatBreaks(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.On = func(e progress.Event) {
		if e.Step == "kubeconfig" && e.State == progress.Running {
			if err := os.WriteFile(r.Kubeconfig, []byte("no: [kubeconfig"), 0o600); err != nil {
				t.Error(err)
			}
		}
	}
	c, err := r.CreateCluster(t.Context(), config.Cluster{}, bootstrap.Options{Wait: time.Minute})
	unwritten := (*bootstrap.KubeconfigError)(nil)
	if c == nil || !errors.As(err, &unwritten) || !strings.Contains(err.Error(), r.Kubeconfig) ||
		!strings.HasSuffix(err.Error(), "the cluster is up: mkube export kubeconfig --name mkube writes its entry") {
		t.Errorf("Create = %v, %v; want the cluster, and an error that names %s and the next step", c, err, r.Kubeconfig)
	}
	if clusters, _ := r.Clusters(t.Context()); !slices.Equal(clusters, []string{"mkube"}) {
		t.Errorf("clusters %q are left; want mkube", clusters)
	}
}

func TestRetain(t *testing.T) {
	t.Parallel()
	for _, stage := range []struct{ command, component string }{{"containerd.service", "containerd"}, {"2381", "etcd"}} {
		r := newRig(t)
		r.Broken = func(args []string) (string, int, bool) {
			return "", 3, strings.Contains(strings.Join(args, " "), stage.command)
		}
		c, err := r.CreateCluster(r.UntilStuck(t, stage.component), config.Cluster{}, bootstrap.Options{Wait: time.Minute, Retain: true})
		if err == nil || c == nil {
			t.Errorf("Create = %v, %v; want both an error and the cluster", c, err)
		}
		if nodes, _ := r.Nodes(t.Context(), "mkube"); len(nodes) != 1 {
			t.Errorf("%d nodes are left; want 1", len(nodes))
		}
		if err := bootstrap.Delete(t.Context(), r, "mkube", []string{r.Kubeconfig}); err != nil {
			t.Error(err)
		}
		r.WantNothing(t)
	}
}

func TestNameIsTaken(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	if _, err := r.CreateCluster(t.Context(), config.Cluster{Name: "dev"}, bootstrap.Options{Wait: time.Minute}); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(r.Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	_, err = r.CreateCluster(t.Context(), config.Cluster{Name: "dev"}, bootstrap.Options{Wait: time.Minute})
	want := `cluster "dev" already exists: choose another name with --name, or delete it first: mkube delete cluster --name dev`
	if fmt.Sprint(err) != want {
		t.Errorf("Create = %v; want %s", err, want)
	}
	if nodes, _ := r.Nodes(t.Context(), "dev"); len(nodes) != 1 {
		t.Errorf("%d nodes of the first are left", len(nodes))
	}
	if after, _ := os.ReadFile(r.Kubeconfig); string(after) != string(before) {
		t.Error("the kubeconfig has changed")
	}
}

// TestCancel checks that Ctrl-C leaves nothing, whenever it is pressed.
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
			_, err := r.CreateCluster(ctx, config.Cluster{}, bootstrap.Options{Wait: time.Minute})
			if !errors.Is(err, context.Canceled) {
				t.Errorf("Create = %v; want context.Canceled", err)
			}
			r.WantNothing(t)
		})
	}
}

// TestCleanUpThatFails checks that the error of the cleanup is joined to the first error, with the
// next step.
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
	_, err := r.CreateCluster(t.Context(), config.Cluster{}, bootstrap.Options{})
	want := "no power\ncleaning up: no hands; mkube delete cluster --name mkube tries again"
	if fmt.Sprint(err) != want {
		t.Errorf("Create = %v; want %s", err, want)
	}
}
