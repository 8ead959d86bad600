package component_test

import (
	"net/http"
	"testing"

	"github.com/mkube/mkube/internal/testing/componenttest"
	"github.com/mkube/mkube/pkg/component"
	"github.com/mkube/mkube/pkg/config"
)

// TestDeploymentReady checks that a Deployment is ready when all its replicas are, and that the
// error otherwise has the reason of one of its own pods.
func TestDeploymentReady(t *testing.T) {
	t.Parallel()
	api := componenttest.NewAPI(t, config.Cluster{})
	ready := func(want string) {
		t.Helper()
		if got := componenttest.Message(component.DeploymentReady(t.Context(), api.Cluster, "ns", "web")); got != want {
			t.Errorf("DeploymentReady = %q; want %q", got, want)
		}
	}
	const path = "/apis/apps/v1/namespaces/ns/deployments/web"
	ready("could not find " + path)
	deployment := func(ready string) {
		api.Object(path, `{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web","namespace":"ns"},
			"spec":{"replicas":2,"selector":{"matchLabels":{"app":"web","tier":"front"}}},"status":{"readyReplicas":`+ready+`}}`)
	}
	deployment("1")
	ready("could not find /api/v1/namespaces/ns/pods")
	pods := `[]`
	api.Handle("/api/v1/namespaces/ns/pods", func(w http.ResponseWriter, r *http.Request) {
		if got := r.URL.Query().Get("labelSelector"); got != "app=web,tier=front" {
			t.Errorf("asked for the pods of %q", got)
		}
		w.Header().Set("Content-Type", "application/json")
		w.Write([]byte(`{"apiVersion":"v1","kind":"PodList","items":` + pods + `}`))
	})
	ready("deployment web has no Ready pod")
	pods = `[` + componenttest.ReadyPod + `,{"apiVersion":"v1","kind":"Pod","metadata":{"name":"web-x"},
		"status":{"containerStatuses":[{"state":{"waiting":{"reason":"ErrImagePull"}}}]}}]`
	ready("pod web-x: ErrImagePull")
	deployment("2")
	ready("")
}
