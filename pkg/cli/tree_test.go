package cli

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/mkube/mkube/internal/testing/componenttest"
	"github.com/mkube/mkube/internal/testing/fake"
	"github.com/mkube/mkube/pkg/cluster"
	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/provider"
)

// withAPI returns a world whose clusters share one API, and whose nodes have no audit log.
func withAPI(t *testing.T) (*world, *componenttest.API) {
	t.Helper()
	none := &fake.Provider{Answer: func([]string) (string, int, bool) { return "", 3, true }}
	w, api := newWorld(t, "mkube"), componenttest.NewAPIOf(t, config.Cluster{}, none)
	w.open = func(context.Context, provider.Provider, string) (*cluster.Cluster, error) { return api.Cluster, nil }
	return w, api
}

const (
	coreKinds = `{"items":[{"metadata":{},"versions":[{"version":"v1","resources":[
		{"resource":"pods","scope":"Namespaced","singularResource":"pod","shortNames":["po"],"responseKind":{"kind":"Pod"},"verbs":["list"]},
		{"resource":"services","scope":"Namespaced","singularResource":"service","responseKind":{"kind":"Service"},"verbs":["list"]}]}]}]}`
	appsKinds = `{"items":[{"metadata":{"name":"apps"},"versions":[{"version":"v1","resources":[
		{"resource":"replicasets","scope":"Namespaced","singularResource":"replicaset","shortNames":["rs"],"responseKind":{"kind":"ReplicaSet"},"verbs":["list"]}]}]}]}`
)

func TestTree(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		line     string
		code     Code
		out, err string
	}{
		{"tree rs/web", OK, "ReplicaSet/web 1/1\n└── Pod/web-a Running Ready\n", "Warning: these kinds could not be listed, so their objects may be missing: services of v1 (the API server answers 503: not now)\n"},
		{"tree po web-a", OK, "Pod/web-a Running Ready\n", "Warning: these kinds could not be listed, so their objects may be missing: services of v1 (the API server answers 503: not now)\nPod/web-a is itself owned by ReplicaSet/web.\n"},
		{"tree replicast/web", Failed, "", "Error: the cluster has no kind \"replicast\" that can be listed: did you mean \"replicaset\"?\n"},
		{"tree rs/wbe", Failed, "", "Error: replicaset \"wbe\" does not exist in namespace \"default\": did you mean \"web\"?\n"},
		{"tree rs/web -n other", Failed, "", "Error: listing replicasets: the API server answers 404: could not find /apis/apps/v1/namespaces/other/replicasets\n"},
		{"tree", Usage, "", "Error: mkube tree needs one object as KIND/NAME, such as deployment/web\nSee mkube tree --help\n"},
		{"tree web", Usage, "", "Error: mkube tree needs one object as KIND/NAME, such as deployment/web\nSee mkube tree --help\n"},
		{"tree a/b/c", Usage, "", "Error: mkube tree needs one object as KIND/NAME, such as deployment/web\nSee mkube tree --help\n"},
	} {
		t.Run(tt.line, func(t *testing.T) {
			t.Parallel()
			w, api := withAPI(t)
			api.Object("/api", coreKinds)
			api.Object("/apis", appsKinds)
			api.Object("/apis/apps/v1/namespaces/default/replicasets", `{"items":[{"metadata":{"name":"web","namespace":"default","uid":"r"},"spec":{"replicas":1},"status":{"readyReplicas":1}}]}`)
			api.Object("/api/v1/namespaces/default/pods", `{"items":[{"metadata":{"name":"web-a","namespace":"default","uid":"p","ownerReferences":[{"uid":"r","kind":"ReplicaSet","name":"web"}]},
				"status":{"phase":"Running","conditions":[{"type":"Ready","status":"True"}]}}]}`)
			api.Handle("/api/v1/namespaces/default/services", func(w http.ResponseWriter, _ *http.Request) {
				http.Error(w, "not now", http.StatusServiceUnavailable)
			})
			w.want(t, w.run(t, tt.line), tt.code, tt.out, tt.err)
		})
	}
}

func TestTreeJSON(t *testing.T) {
	t.Parallel()
	w, api := withAPI(t)
	api.Object("/api", coreKinds)
	api.Object("/apis", `{"items":[]}`)
	api.Object("/api/v1/namespaces/default/pods", `{"items":[{"metadata":{"name":"web-a","namespace":"default","uid":"p"},"status":{"phase":"Failed"}}]}`)
	api.Object("/api/v1/namespaces/default/services", `{"items":[{"metadata":{"name":"s","namespace":"default","uid":"s","ownerReferences":[{"uid":"p","kind":"Pod","name":"web-a"}]}}]}`)
	w.want(t, w.run(t, "tree pod/web-a -o json"), OK, strings.ReplaceAll(`{
	"kind": "Pod",
	"apiVersion": "v1",
	"namespace": "default",
	"name": "web-a",
	"uid": "p",
	"state": "Failed",
	"owned": [
		{
			"kind": "Service",
			"apiVersion": "v1",
			"namespace": "default",
			"name": "s",
			"uid": "s",
			"owners": [
				"Pod/web-a"
			]
		}
	]
}
`, "\t", "  "), "")
}
