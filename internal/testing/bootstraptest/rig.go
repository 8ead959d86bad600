// Package bootstraptest provides a host for tests that create clusters: a fake provider whose
// nodes come up, and a kubeconfig.
package bootstraptest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mkube/mkube/internal/testing/componenttest"
	"github.com/mkube/mkube/internal/testing/fake"
	"github.com/mkube/mkube/pkg/bootstrap"
	"github.com/mkube/mkube/pkg/cluster"
	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/names"
	"github.com/mkube/mkube/pkg/progress"
	"github.com/mkube/mkube/pkg/provider"
)

// A Rig is a host: a provider whose nodes come up without further help, and a kubeconfig.
type Rig struct {
	*fake.Provider
	API        *componenttest.API
	Kubeconfig string
	Recorder   progress.Recorder

	// Broken answers a command in place of the nodes. If nil, nodes answer all commands. It must
	// be set before Create.
	Broken func(args []string) (stdout string, code int, handled bool)

	// On receives every event. If nil, nobody does. It must be set before Create.
	On progress.Func

	// Ahead is how far the clocks of the nodes are ahead.
	Ahead time.Duration

	mu     sync.Mutex
	served map[string]string // host:port by the name of the node
}

// EntryOfOthers is a kubeconfig that the user has already.
const EntryOfOthers = `apiVersion: v1
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

// rbac contains a few of the rules in a node image: enough to check that they are created.
const rbac = `{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRole","metadata":{"name":"system:kube-scheduler"}}
{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRoleBinding","metadata":{"name":"system:kube-scheduler"},` +
	`"roleRef":{"name":"system:kube-scheduler"},"subjects":[{"kind":"User","name":"system:kube-scheduler"}]}
`

// New returns a rig whose kubeconfig has an entry of another program.
func New(t *testing.T) *Rig {
	t.Helper()
	r := &Rig{Provider: new(fake.Provider), API: new(componenttest.API), served: map[string]string{}}
	r.Kubeconfig = filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(r.Kubeconfig, []byte(EntryOfOthers), 0o600); err != nil {
		t.Fatal(err)
	}
	r.Answer = func(args []string) (string, int, bool) {
		if r.Broken != nil {
			if stdout, code, handled := r.Broken(args); handled {
				return stdout, code, true
			}
		}
		return "active\n", 0, true
	}
	r.Programs = map[string]fake.Program{"sh": r.shell, "date": r.date}
	r.Published = func(n *fake.Node, port int) (string, error) { return r.serve(t, n, port) }
	r.wellCluster()
	return r
}

// shell packs or unpacks an archive if a script contains the command for that. It answers other
// scripts as other commands.
func (r *Rig) shell(ctx context.Context, n *fake.Node, cmd provider.Cmd) (int, error) {
	stdout, code, _ := r.Answer(cmd.Args)
	text := strings.Join(cmd.Args, " ")
	if _, list, packs := strings.Cut(text, "exec tar -cf - $(ls -d "); packs {
		folders, _, _ := strings.Cut(list, " 2>")
		cmd.Args = append([]string{"tar", "-C", "/", "--ignore-failed-read", "-cf", "-"}, strings.Fields(folders)...)
		return 0, n.Run(ctx, cmd)
	}
	if code == 0 && strings.Contains(text, "\ntar -C / --no-overwrite-dir -xf -\n") {
		return 0, n.Run(ctx, provider.Cmd{Args: []string{"tar", "-C", "/", "-xf", "-"}, Stdin: cmd.Stdin})
	}
	_, err := io.WriteString(cmd.Stdout, stdout)
	return code, err
}

// date prints the time on a node in seconds.
func (r *Rig) date(_ context.Context, _ *fake.Node, cmd provider.Cmd) (int, error) {
	_, err := fmt.Fprintln(cmd.Stdout, time.Now().Add(r.Ahead).Unix())
	return 0, err
}

// serve starts the API server of a node, as soon as the node has the files with its certificate.
func (r *Rig) serve(t *testing.T, n *fake.Node, port int) (string, error) {
	if port != names.APIServerPort {
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
			return "127.0.0.1:1", nil // published, but nothing listens yet
		}
		files[i] = f.Data
	}
	endpoint, err := r.API.Serve(t, files[0], files[1], files[2])
	r.served[n.Name()] = endpoint
	return endpoint, err
}

// planeOf returns the control plane that serves at a node. Behind a load balancer, that is the
// first one.
func (r *Rig) planeOf(n *fake.Node) (*fake.Node, error) {
	if n.Role() != config.LoadBalancer {
		return n, nil
	}
	nodes, err := r.Nodes(context.Background(), strings.TrimSuffix(n.Name(), "-"+string(config.LoadBalancer)))
	if err != nil || len(nodes) == 0 {
		return nil, errors.Join(err, errors.New("there is no control plane"))
	}
	return nodes[0].(*fake.Node), nil
}

// Paths of the API.
const (
	SystemPods  = "/api/v1/namespaces/kube-system/pods/"
	Account     = "/api/v1/namespaces/default/serviceaccounts/default"
	Deployments = "/apis/apps/v1/namespaces/kube-system/deployments"
	Volumes     = "/api/v1/persistentvolumes"
)

// wellCluster makes the API show a healthy cluster of any size. The pods of a component exist as
// soon as its manifest is on the node.
func (r *Rig) wellCluster() {
	r.API.Object(Volumes, `{"apiVersion":"v1","kind":"PersistentVolumeList","items":[]}`)
	r.API.Object(Account, `{"apiVersion":"v1","kind":"ServiceAccount","metadata":{"name":"default"}}`)
	r.API.Handle("/", func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch path := req.URL.Path; {
		case strings.HasPrefix(path, "/api/v1/nodes/"):
			io.WriteString(w, strings.NewReplacer(`"Pod"`, `"Node"`).Replace(componenttest.ReadyPod))
		case strings.HasPrefix(path, SystemPods) && r.manifestOf(strings.TrimPrefix(path, SystemPods)):
			io.WriteString(w, componenttest.ReadyPod)
		case path == Deployments+"/coredns" && slices.Contains(r.API.Created(), path):
			io.WriteString(w, `{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"coredns"},"spec":{"replicas":1},"status":{"readyReplicas":1}}`)
		default:
			r.API.Default(w, req)
		}
	})
}

// manifestOf reports whether the manifest of a static pod is on its node.
func (r *Rig) manifestOf(pod string) bool {
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

// CreateCluster creates a cluster, and adds its entry to the rig's kubeconfig.
func (r *Rig) CreateCluster(ctx context.Context, cfg config.Cluster, o bootstrap.Options) (*cluster.Cluster, error) {
	o.Kubeconfig, o.On = []string{r.Kubeconfig}, progress.Tee(r.Recorder.On, r.On)
	return bootstrap.Create(ctx, r, cfg.Default(), o)
}

// UntilStuck returns a context that ends as soon as a component has reported what it waits for and
// all components before it are done. If component is "", it does not end.
func (r *Rig) UntilStuck(t *testing.T, component string) context.Context {
	ctx, cancel := context.WithCancelCause(t.Context())
	t.Cleanup(func() { cancel(nil) })
	reported := false
	var mu sync.Mutex
	r.On = func(e progress.Event) {
		mu.Lock()
		defer mu.Unlock()
		reported = reported || e.Step == component && e.State == progress.Running && e.Detail != ""
		ends := r.Ends()
		before, err := bootstrap.Components(config.Cluster{}).Until(component)
		if !reported || err != nil {
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

// WantNothing checks that no cluster is left and that the kubeconfig is as before.
func (r *Rig) WantNothing(t *testing.T) {
	t.Helper()
	if clusters, err := r.Clusters(context.Background()); len(clusters) != 0 || err != nil {
		t.Errorf("clusters %q are left, %v", clusters, err)
	}
	data, err := os.ReadFile(r.Kubeconfig)
	if string(data) != EntryOfOthers || err != nil {
		t.Errorf("the kubeconfig is %s, %v; want it as it was", data, err)
	}
}

// Ends returns the last state of each step.
func (r *Rig) Ends() map[string]progress.State {
	m := map[string]progress.State{}
	for _, e := range r.Recorder.Events() {
		m[e.Step] = e.State
	}
	return m
}

// Names returns the names of the cluster's nodes, without the cluster's name.
func (r *Rig) Names(t *testing.T) string {
	t.Helper()
	nodes, err := r.Nodes(context.Background(), "mkube")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, n := range nodes {
		names = append(names, strings.TrimPrefix(n.Name(), "mkube-"))
	}
	return strings.Join(names, " ")
}

// File returns the content of a file on a node. node is the name without the cluster's.
func (r *Rig) File(t *testing.T, node, path string) string {
	t.Helper()
	nodes, err := r.Nodes(context.Background(), "mkube")
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range nodes {
		if n.Name() == "mkube-"+node {
			f, _ := n.(*fake.Node).File(path)
			return string(f.Data)
		}
	}
	return ""
}

// reissued matches certificates and keys, which differ whenever a file is written.
var reissued = regexp.MustCompile(`(?s)(client-(certificate|key)-data: \S+|-----BEGIN (CERTIFICATE|EC PRIVATE KEY)-----.*?-----END (CERTIFICATE|EC PRIVATE KEY)-----)`)

// EveryFile returns every file of every node by "node:path", without certificates and keys.
func (r *Rig) EveryFile(t *testing.T) map[string]string {
	t.Helper()
	nodes, err := r.Nodes(context.Background(), "mkube")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, n := range nodes {
		for path, f := range n.(*fake.Node).Files() {
			if !f.Mode.IsDir() && path != "/run/mkube.lock" { // it names its last holder
				all[n.Name()+":"+path] = fmt.Sprintf("%o %s", f.Mode.Perm(), reissued.ReplaceAll(f.Data, []byte("...")))
			}
		}
	}
	return all
}

// WantStaticPods checks the names of a node's static pods, and that the node has the files that
// every node needs.
func WantStaticPods(t *testing.T, n *fake.Node, want string) {
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

// Served returns the address, as host:port, at which a node's API server answers.
func (r *Rig) Served(node string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.served[node]
}

// First returns the first node of the cluster.
func (r *Rig) First(t *testing.T) *fake.Node {
	t.Helper()
	nodes, err := r.Nodes(t.Context(), "mkube")
	if err != nil {
		t.Fatal(err)
	}
	return nodes[0].(*fake.Node)
}
