package bootstrap_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/mkube/mkube/internal/testing/componenttest"
	"github.com/mkube/mkube/internal/testing/fake"
	"github.com/mkube/mkube/pkg/bootstrap"
	"github.com/mkube/mkube/pkg/cluster"
	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/progress"
	"github.com/mkube/mkube/pkg/provider"
)

// rig is a host: a provider whose nodes come up by themselves, and a kubeconfig.
type rig struct {
	*fake.Provider
	api        *componenttest.API
	kubeconfig string
	recorder   progress.Recorder

	// broken answers for a command in place of the nodes; nil is none. Set before
	// Create.
	broken func(args []string) (stdout string, code int, handled bool)

	// on is told of every event. Nil is nobody. Set before Create.
	on progress.Func

	mu     sync.Mutex
	served map[string]string // host:port by node
}

// entryOfOthers is a kubeconfig that the user has already.
const entryOfOthers = `apiVersion: v1
kind: Config
clusters:
- cluster: {server: "https://example.com"}
  name: theirs
contexts:
- context: {cluster: theirs, user: theirs}
  name: theirs
current-context: theirs
users:
- name: theirs
  user: {token: secret}
`

// rbac is of the rules that lie in a node image what is enough to see them created.
const rbac = `{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRole","metadata":{"name":"system:kube-scheduler"}}
{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRoleBinding","metadata":{"name":"system:kube-scheduler"},` +
	`"roleRef":{"name":"system:kube-scheduler"},"subjects":[{"kind":"User","name":"system:kube-scheduler"}]}
`

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{Provider: new(fake.Provider), api: new(componenttest.API), served: map[string]string{}}
	r.kubeconfig = filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(r.kubeconfig, []byte(entryOfOthers), 0o600); err != nil {
		t.Fatal(err)
	}
	r.Answer = func(args []string) (string, int, bool) {
		if r.broken != nil {
			if stdout, code, handled := r.broken(args); handled {
				return stdout, code, true
			}
		}
		return "active\n", 0, true
	}
	r.Published = func(n *fake.Node, port int) (string, error) { return r.serve(t, n, port) }
	r.wellCluster()
	return r
}

// serve starts a node's API server, once its files say with which certificate.
func (r *rig) serve(t *testing.T, n *fake.Node, port int) (string, error) {
	if port != cluster.APIServerPort {
		return "", fmt.Errorf("port %d is not published", port)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.served[n.Name()] != "" {
		return r.served[n.Name()], nil
	}
	server, err := r.planeOf(n)
	if err != nil {
		return "", err
	}
	image := []provider.File{{Path: "/usr/share/mkube/rbac.jsonl", Data: []byte(rbac)}}
	if err := provider.WriteFiles(context.Background(), server, image); err != nil {
		return "", err
	}
	var files [3][]byte
	for i, name := range []string{"apiserver.crt", "apiserver.key", "ca.crt"} {
		f, ok := server.File("/etc/kubernetes/pki/" + name)
		if !ok {
			return "127.0.0.1:1", nil // published, and nobody listens yet
		}
		files[i] = f.Data
	}
	endpoint, err := r.api.Serve(t, files[0], files[1], files[2])
	r.served[n.Name()] = endpoint
	return endpoint, err
}

// planeOf is the control plane that serves at a node: a load balancer leads to the
// first one.
func (r *rig) planeOf(n *fake.Node) (*fake.Node, error) {
	if n.Role() != config.LoadBalancer {
		return n, nil
	}
	nodes, err := r.Nodes(context.Background(), strings.TrimSuffix(n.Name(), "-"+string(config.LoadBalancer)))
	if err != nil || len(nodes) == 0 {
		return nil, errors.Join(err, errors.New("there is no control plane"))
	}
	return nodes[0].(*fake.Node), nil
}

const (
	systemPods  = "/api/v1/namespaces/kube-system/pods/"
	account     = "/api/v1/namespaces/default/serviceaccounts/default"
	deployments = "/apis/apps/v1/namespaces/kube-system/deployments"
)

// wellCluster is what the API shows of a cluster of any size that is well. The pods
// of a component are there once its manifest lies on the node.
func (r *rig) wellCluster() {
	r.api.Object(account, `{"apiVersion":"v1","kind":"ServiceAccount","metadata":{"name":"default"}}`)
	r.api.Handle("/", func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch path := req.URL.Path; {
		case strings.HasPrefix(path, "/api/v1/nodes/"):
			io.WriteString(w, strings.NewReplacer(`"Pod"`, `"Node"`).Replace(componenttest.ReadyPod))
		case strings.HasPrefix(path, systemPods) && r.manifestOf(strings.TrimPrefix(path, systemPods)):
			io.WriteString(w, componenttest.ReadyPod)
		case path == deployments+"/coredns" && slices.Contains(r.api.Created(), path):
			io.WriteString(w, `{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"coredns"},"spec":{"replicas":1},"status":{"readyReplicas":1}}`)
		default:
			r.api.Default(w, req)
		}
	})
}

// manifestOf says whether the manifest of a static pod lies on its node.
func (r *rig) manifestOf(pod string) bool {
	clusters, err := r.Clusters(context.Background())
	if err != nil {
		return false
	}
	for _, name := range clusters {
		nodes, err := r.Nodes(context.Background(), name)
		if err != nil {
			return false
		}
		for _, n := range nodes {
			if component, ok := strings.CutSuffix(pod, "-"+n.Name()); ok {
				_, found := n.(*fake.Node).File("/etc/kubernetes/manifests/" + component + ".yaml")
				return found
			}
		}
	}
	return false
}

// create creates a cluster whose entry goes into the rig's kubeconfig.
func (r *rig) create(ctx context.Context, cfg config.Cluster, o bootstrap.Options) (*cluster.Cluster, error) {
	o.Kubeconfig, o.On = []string{r.kubeconfig}, progress.Tee(r.recorder.On, r.on)
	return bootstrap.Create(ctx, r, cfg.Default(), o)
}

// untilStuck is a context whose time is up as soon as a component says what it waits
// for and all before it are done; "" is none, which never is.
func (r *rig) untilStuck(t *testing.T, component string) context.Context {
	ctx, cancel := context.WithCancelCause(t.Context())
	t.Cleanup(func() { cancel(nil) })
	said := false
	var mu sync.Mutex
	r.on = func(e progress.Event) {
		mu.Lock()
		defer mu.Unlock()
		said = said || e.Step == component && e.State == progress.Running && e.Detail != ""
		ends := r.ends()
		before, err := bootstrap.Components(config.Cluster{}).Until(component)
		if !said || err != nil {
			return
		}
		for _, c := range before[:len(before)-1] {
			if ends[c.Name] != progress.Done {
				return
			}
		}
		cancel(context.DeadlineExceeded)
	}
	return ctx
}

// wantNothing wants the host to be as it was.
func (r *rig) wantNothing(t *testing.T) {
	t.Helper()
	if clusters, err := r.Clusters(context.Background()); len(clusters) != 0 || err != nil {
		t.Errorf("clusters %q are left, %v", clusters, err)
	}
	data, err := os.ReadFile(r.kubeconfig)
	if string(data) != entryOfOthers || err != nil {
		t.Errorf("the kubeconfig is %s, %v; want it as it was", data, err)
	}
}

// ends are the steps with how each stood last.
func (r *rig) ends() map[string]progress.State {
	m := map[string]progress.State{}
	for _, e := range r.recorder.Events() {
		m[e.Step] = e.State
	}
	return m
}
