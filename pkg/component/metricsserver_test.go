package component_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"maps"
	"slices"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/mkube/mkube/internal/testing/componenttest"
	"github.com/mkube/mkube/pkg/component/metricsserver"
	"github.com/mkube/mkube/pkg/config"
)

func TestMetricsServerGolden(t *testing.T) {
	t.Parallel()
	componenttest.Golden(t, metricsserver.New(),
		componenttest.Variant{Name: "extra-args", Config: config.Cluster{
			ExtraArgs: map[string]map[string]string{"metrics-server": {"metric-resolution": "1m"}},
		}},
	)
}

func TestMetricsServerDescribed(t *testing.T) {
	t.Parallel()
	componenttest.Described(t, metricsserver.New())
}

// apiService has the fields of an APIService that the test needs. The package of the type is not
// among mkube's modules.
type apiService struct {
	APIVersion, Kind string
	Metadata         struct{ Name string }
	Spec             struct {
		Group, Version                        string
		GroupPriorityMinimum, VersionPriority int
		Service                               struct{ Name, Namespace string }
		CABundle                              []byte `json:"caBundle"`
	}
}

// TestMetricsServerObjects checks that each object is a Kubernetes object without unknown
// fields, and that the parts match. The API refers to the Service, the Service selects the pods,
// and the API server accepts their certificate.
func TestMetricsServerObjects(t *testing.T) {
	t.Parallel()
	var (
		api     apiService
		secret  corev1.Secret
		service corev1.Service
		deploy  appsv1.Deployment
	)
	componenttest.Objects(t, metricsserver.Objects, map[string]any{
		"ServiceAccount": new(corev1.ServiceAccount), "ClusterRole": new(rbacv1.ClusterRole), "ClusterRoleBinding": new(rbacv1.ClusterRoleBinding),
		"RoleBinding": new(rbacv1.RoleBinding), "Secret": &secret, "Service": &service, "APIService": &api, "Deployment": &deploy,
	})
	if s := api.Spec.Service; s.Name != service.Name || s.Namespace != service.Namespace || api.Metadata.Name != api.Spec.Version+"."+api.Spec.Group {
		t.Errorf("the API is %+v", api)
	}
	pod := deploy.Spec.Template
	if !maps.Equal(service.Spec.Selector, pod.Labels) || service.Spec.Ports[0].TargetPort.StrVal != pod.Spec.Containers[0].Ports[0].Name {
		t.Errorf("the Service selects %v at %v; the pods have %v", service.Spec.Selector, service.Spec.Ports, pod.Labels)
	}
	if pod.Spec.Volumes[0].Secret.SecretName != secret.Name || secret.Type != corev1.SecretTypeTLS {
		t.Errorf("the pods mount %s of %s", pod.Spec.Volumes[0].Secret.SecretName, secret.Type)
	}
	pair, err := tls.X509KeyPair(secret.Data["tls.crt"], secret.Data["tls.key"])
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(api.Spec.CABundle)
	name := service.Name + "." + service.Namespace + ".svc"
	if _, err := pair.Leaf.Verify(x509.VerifyOptions{DNSName: name, Roots: roots}); err != nil {
		t.Errorf("the API server would not trust it: %v", err)
	}
}

func TestMetricsServerStart(t *testing.T) {
	t.Parallel()
	created := componenttest.Created(t, metricsserver.New())
	if len(created) != 10 || !slices.Contains(created, metricsAPI) {
		t.Errorf("it created %q; want ten objects, %s among them", created, metricsAPI)
	}
}

const (
	metricsDeployment = "/apis/apps/v1/namespaces/kube-system/deployments/metrics-server"
	metricsAPI        = "/apis/apiregistration.k8s.io/v1/apiservices/v1beta1.metrics.k8s.io"
)

func TestMetricsServerReady(t *testing.T) {
	t.Parallel()
	api := componenttest.NewAPI(t, config.Cluster{})
	ready := func(want string) {
		t.Helper()
		if got := componenttest.Message(metricsserver.New().Ready(context.Background(), api.Cluster, api.Cluster.Nodes[0])); got != want {
			t.Errorf("Ready = %q; want %q", got, want)
		}
	}
	api.Object("/api/v1/namespaces/kube-system/pods", `{"apiVersion":"v1","kind":"PodList","items":[]}`)
	api.Object(metricsDeployment, `{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"metrics-server","namespace":"kube-system"},"spec":{"replicas":1}}`)
	ready("deployment metrics-server has no Ready pod")
	api.Object(metricsDeployment, `{"apiVersion":"apps/v1","kind":"Deployment","spec":{"replicas":1},"status":{"readyReplicas":1}}`)
	ready("could not find " + metricsAPI)
	api.Object(metricsAPI, `{"apiVersion":"apiregistration.k8s.io/v1","kind":"APIService","status":{"conditions":[{"type":"Available","status":"False","message":"no response"}]}}`)
	ready("API v1beta1.metrics.k8s.io is not available: no response")
	api.Object(metricsAPI, `{"apiVersion":"apiregistration.k8s.io/v1","kind":"APIService","status":{"conditions":[{"type":"Available","status":"True"}]}}`)
	ready("")
}

// TestMetricsServerReadyWithoutServices checks that ready does not wait for the API in a cluster
// without kube-proxy.
func TestMetricsServerReadyWithoutServices(t *testing.T) {
	t.Parallel()
	api := componenttest.NewAPI(t, config.Cluster{Networking: config.Networking{KubeProxyMode: config.ProxyNone}})
	api.Object(metricsDeployment, `{"apiVersion":"apps/v1","kind":"Deployment","spec":{"replicas":1},"status":{"readyReplicas":1}}`)
	if err := metricsserver.New().Ready(context.Background(), api.Cluster, api.Cluster.Nodes[0]); err != nil {
		t.Error(err)
	}
}
