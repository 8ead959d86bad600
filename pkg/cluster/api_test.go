package cluster_test

import (
	"context"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/mkube/mkube/internal/testing/componenttest"
	"github.com/mkube/mkube/internal/testing/fake"
	"github.com/mkube/mkube/pkg/cluster"
	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/names"
)

func TestAPICheck(t *testing.T) {
	t.Parallel()
	const verbose = "[+]ping ok\n[-]etcd failed: reason withheld\n[+]log ok\n[-]poststarthook/rbac/bootstrap-roles failed: not finished\nreadyz check failed\n"
	for name, test := range map[string]struct {
		status     int
		body, want string
	}{
		"well":                 {http.StatusOK, "ok", ""},
		"some checks fail":     {http.StatusInternalServerError, verbose, "/readyz answers 500: not yet etcd, poststarthook/rbac/bootstrap-roles"},
		"another word for it":  {http.StatusForbidden, "no", "/readyz answers 403"},
		"a redirect is no yes": {http.StatusNoContent, "", "/readyz answers 204"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			api := componenttest.NewAPI(t, config.Cluster{})
			api.Handle("/readyz", func(w http.ResponseWriter, r *http.Request) {
				if got := r.TLS.PeerCertificates[0].Subject.String(); got != "CN=kubernetes-admin,O=system:masters" {
					t.Errorf("who asks is %s", got)
				}
				w.WriteHeader(test.status)
				io.WriteString(w, test.body)
			})
			if got := componenttest.Message(api.Cluster.API.Check(t.Context(), "/readyz")); got != test.want {
				t.Errorf("Check = %q; want %q", got, test.want)
			}
		})
	}
}

// TestAPITriesAgain checks that a failed connection does not prevent the next one.
func TestAPITriesAgain(t *testing.T) {
	t.Parallel()
	api := componenttest.NewAPI(t, config.Cluster{})
	endpoint, there := "", false
	p := &fake.Provider{Published: func(*fake.Node, int) (string, error) {
		if !there {
			return "", io.ErrUnexpectedEOF
		}
		return endpoint, nil
	}}
	endpoint, err := api.Cluster.Nodes[0].Endpoint(t.Context(), names.APIServerPort)
	if err != nil {
		t.Fatal(err)
	}
	nodes := componenttest.ClusterOf(t, config.Cluster{}, p).Nodes
	cl := cluster.New(api.Cluster.Config, nodes, api.Cluster.PKI)
	if err := cl.API.Check(t.Context(), "/readyz"); err != io.ErrUnexpectedEOF {
		t.Errorf("Check = %v; want the provider's error", err)
	}
	there = true
	if err := cl.API.Check(t.Context(), "/readyz"); err != nil {
		t.Errorf("Check = %v", err)
	}
}

func TestAPIDoesNotAnswer(t *testing.T) {
	t.Parallel()
	// Nothing listens on port 1 of the loopback address.
	p := &fake.Provider{Published: func(*fake.Node, int) (string, error) { return "127.0.0.1:1", nil }}
	cl := componenttest.ClusterOf(t, config.Cluster{}, p)
	want := "/readyz does not answer: dial tcp 127.0.0.1:1: connect: connection refused"
	if got := componenttest.Message(cl.API.Check(t.Context(), "/readyz")); got != want {
		t.Errorf("Check = %s; want %s", got, want)
	}
}

// TestAPITrustsItsOwnAuthorityOnly checks that the server of another cluster is not trusted.
func TestAPITrustsItsOwnAuthorityOnly(t *testing.T) {
	t.Parallel()
	theirs := componenttest.NewAPI(t, config.Cluster{})
	endpoint, err := theirs.Cluster.Nodes[0].Endpoint(t.Context(), names.APIServerPort)
	if err != nil {
		t.Fatal(err)
	}
	ours := componenttest.ClusterOf(t, config.Cluster{}, &fake.Provider{Published: func(*fake.Node, int) (string, error) { return endpoint, nil }})
	got := componenttest.Message(ours.API.Check(t.Context(), "/readyz"))
	if !strings.HasPrefix(got, "/readyz does not answer: ") || !strings.Contains(got, "certificate signed by unknown authority") {
		t.Errorf("Check = %s", got)
	}
}

func TestAPIResource(t *testing.T) {
	t.Parallel()
	api := componenttest.NewAPI(t, config.Cluster{})
	api.Object("/api/v1/nodes/n", `{"apiVersion":"v1","kind":"Node","metadata":{"name":"n"}}`)
	nodes, err := api.Cluster.API.Resource(t.Context(), cluster.Nodes)
	if err != nil {
		t.Fatal(err)
	}
	n, err := nodes.Get(t.Context(), "n", metav1.GetOptions{})
	if err != nil || n.GetName() != "n" {
		t.Errorf("Get = %v, %v", n, err)
	}
}

func TestAPIApply(t *testing.T) {
	t.Parallel()
	const (
		account    = "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: a, namespace: kube-system}\n"
		role       = "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: r}\n"
		deployment = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d, namespace: default}\n"
	)
	accountPath := "/api/v1/namespaces/kube-system/serviceaccounts/a"
	rolePath := "/apis/rbac.authorization.k8s.io/v1/clusterroles/r"
	deploymentPath := "/apis/apps/v1/namespaces/default/deployments/d"
	for name, test := range map[string]struct {
		manifest, want string
		created        []string
	}{
		"several":             {account + "---\n" + role + "---\n" + deployment, "", []string{accountPath, deploymentPath, rolePath}},
		"empty documents":     {"---\n# nothing\n---\n" + role + "---\n", "", []string{rolePath}},
		"nothing":             {"", "", nil},
		"what is there stays": {account + "---\n" + account + "---\n" + role, "", []string{accountPath, rolePath}},
		"no YAML":             {"a: b: c", "reading a manifest: error converting YAML to JSON: yaml: ", nil},
		"refused":             {role + "---\napiVersion: v1\nkind: Pod\nmetadata: {namespace: x}\n---\n" + account, "creating Pod : ", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			api := componenttest.NewAPI(t, config.Cluster{})
			got := componenttest.Message(api.Cluster.API.Apply(t.Context(), []byte(test.manifest)))
			if test.want == "" && got != "" || !strings.HasPrefix(got, test.want) {
				t.Errorf("Apply = %s; want %s", got, test.want)
			}
			created := api.Created()
			slices.Sort(created) // several are created at the same time
			if !strings.HasPrefix(test.want, "creating") && !slices.Equal(created, test.created) {
				t.Errorf("Apply created %q; want %q", created, test.created)
			}
		})
	}
}

// TestAPIPut checks that existing fields are replaced.
func TestAPIPut(t *testing.T) {
	t.Parallel()
	const at = "/api/v1/namespaces/kube-system/configmaps/m"
	api := componenttest.NewAPI(t, config.Cluster{})
	object := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": "m", "namespace": "kube-system"},
	}}
	for _, value := range []string{"1", "2"} {
		object.Object["data"] = map[string]any{"key": value}
		if err := api.Cluster.API.Put(t.Context(), object); err != nil {
			t.Fatal(err)
		}
		maps, err := api.Cluster.API.Resource(t.Context(), schema.GroupVersionResource{Version: "v1", Resource: "configmaps"})
		if err != nil {
			t.Fatal(err)
		}
		got, err := maps.Namespace("kube-system").Get(t.Context(), "m", metav1.GetOptions{})
		if err != nil || got.Object["data"].(map[string]any)["key"] != value {
			t.Errorf("it is %v, %v; want the value %s", got, err, value)
		}
	}
	api.Handle(at, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) })
	if got := componenttest.Message(api.Cluster.API.Put(t.Context(), object)); !strings.HasPrefix(got, "applying ConfigMap m: ") {
		t.Errorf("refused: %s", got)
	}
}

// TestAPIApplyNamespacesFirst checks that an object is created after its namespace, wherever the
// namespace is in the manifest, and that the plurals of kinds are correct.
func TestAPIApplyNamespacesFirst(t *testing.T) {
	t.Parallel()
	api := componenttest.NewAPI(t, config.Cluster{})
	const manifest = `apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: s}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: p, namespace: ns}
---
apiVersion: v1
kind: Namespace
metadata: {name: ns}
`
	if err := api.Cluster.API.Apply(t.Context(), []byte(manifest)); err != nil {
		t.Fatal(err)
	}
	created := api.Created()
	slices.Sort(created[1:])
	want := []string{"/api/v1/namespaces/ns", "/apis/networking.k8s.io/v1/namespaces/ns/networkpolicies/p", "/apis/storage.k8s.io/v1/storageclasses/s"}
	if !slices.Equal(created, want) {
		t.Errorf("Apply created %q; want %q", created, want)
	}
}

func TestAPIAtOnce(t *testing.T) {
	t.Parallel()
	api := componenttest.NewAPI(t, config.Cluster{})
	errs := make(chan error)
	for range 10 {
		go func() { errs <- api.Cluster.API.Check(context.Background(), "/livez") }()
	}
	for range 10 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
}

// TestAPIList checks that a list waits for a server that is briefly unavailable.
func TestAPIList(t *testing.T) {
	t.Parallel()
	api := componenttest.NewAPI(t, config.Cluster{})
	asked := 0
	api.Handle("/api/v1/persistentvolumes", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if asked++; asked == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		io.WriteString(w, `{"apiVersion":"v1","kind":"PersistentVolumeList","items":[{"apiVersion":"v1","kind":"PersistentVolume","metadata":{"name":"a"}}]}`)
	})
	list, err := api.Cluster.API.List(t.Context(), cluster.Volumes)
	if err != nil || len(list) != 1 || list[0].GetName() != "a" || asked != 2 {
		t.Errorf("List = %v, %v after %d requests; want the volume a after 2", list, err, asked)
	}
	if _, err := api.Cluster.API.List(t.Context(), cluster.Claims); !apierrors.IsNotFound(err) {
		t.Errorf("List = %v; want the server's error", err)
	}
}
