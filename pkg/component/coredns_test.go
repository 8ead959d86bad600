package component_test

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/mkube/mkube/internal/testing/componenttest"
	"github.com/mkube/mkube/internal/testing/fake"
	"github.com/mkube/mkube/pkg/component/coredns"
	"github.com/mkube/mkube/pkg/config"
)

func TestCoreDNSGolden(t *testing.T) {
	t.Parallel()
	componenttest.Golden(t, coredns.New(),
		componenttest.Variant{Name: "networking", Config: config.Cluster{Networking: config.Networking{
			ServiceSubnet: "fd00:10::/108", PodSubnet: "fd00:20::/56", DNSDomain: "corp.example",
		}}},
		componenttest.Variant{Name: "two-nodes-extra-args", Config: config.Cluster{
			Nodes:     []config.Node{{}, {Role: config.Worker}},
			ExtraArgs: map[string]map[string]string{"coredns": {"dns.port": "53"}},
		}},
	)
}

func TestCoreDNSDescribed(t *testing.T) {
	t.Parallel()
	componenttest.Described(t, coredns.New())
}

// TestCoreDNSObjects checks that each object is a Kubernetes object without unknown fields, and
// that an object comes after the objects that it needs.
func TestCoreDNSObjects(t *testing.T) {
	t.Parallel()
	kinds := map[string]any{
		"ServiceAccount": &corev1.ServiceAccount{}, "ConfigMap": &corev1.ConfigMap{}, "Service": &corev1.Service{},
		"Deployment": &appsv1.Deployment{}, "ClusterRole": &rbacv1.ClusterRole{}, "ClusterRoleBinding": &rbacv1.ClusterRoleBinding{},
	}
	order := componenttest.Objects(t, coredns.Objects, kinds)
	if len(order) != len(kinds) || slices.Index(order, "Deployment") != len(order)-1 {
		t.Errorf("the objects are %q; want one of each kind, and the Deployment last", order)
	}
	wantSelected(t, kinds["Deployment"].(*appsv1.Deployment), kinds["Service"].(*corev1.Service))
}

// wantSelected checks that Service and Deployment select the same pods, and that the Service
// forwards to ports of the pods.
func wantSelected(t *testing.T, d *appsv1.Deployment, s *corev1.Service) {
	t.Helper()
	labels := d.Spec.Template.Labels
	if !reflect.DeepEqual(d.Spec.Selector.MatchLabels, labels) || !reflect.DeepEqual(s.Spec.Selector, labels) {
		t.Errorf("pods have the labels %v, the Deployment selects %v, the Service %v", labels, d.Spec.Selector.MatchLabels, s.Spec.Selector)
	}
	open := map[string]bool{}
	for _, p := range d.Spec.Template.Spec.Containers[0].Ports {
		open[fmt.Sprint(p.ContainerPort, p.Protocol)] = true
	}
	for _, p := range s.Spec.Ports {
		if !open[fmt.Sprint(p.Port, p.Protocol)] {
			t.Errorf("the Service's port %d/%s is no container's", p.Port, p.Protocol)
		}
	}
	c := d.Spec.Template.Spec.Containers[0]
	if c.LivenessProbe == nil || c.ReadinessProbe == nil || c.ReadinessProbe.PeriodSeconds != 1 {
		t.Error("its container has not both probes, that of readiness every second")
	}
	if c.Image != "registry.k8s.io/coredns/coredns:v1.14.6" || c.ImagePullPolicy != corev1.PullIfNotPresent {
		t.Errorf("its image is %s, pulled %s", c.Image, c.ImagePullPolicy)
	}
}

func TestCoreDNSStart(t *testing.T) {
	t.Parallel()
	want := []string{
		"/api/v1/namespaces/kube-system/configmaps/coredns",
		"/api/v1/namespaces/kube-system/serviceaccounts/coredns",
		"/api/v1/namespaces/kube-system/services/kube-dns",
		"/apis/apps/v1/namespaces/kube-system/deployments/coredns",
		"/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/system:coredns",
		"/apis/rbac.authorization.k8s.io/v1/clusterroles/system:coredns",
	}
	created := componenttest.Created(t, coredns.New())
	slices.Sort(created) // Apply creates several at the same time
	if !slices.Equal(created, want) {
		t.Errorf("it created %q; want %q", created, want)
	}
}

func TestCoreDNSReady(t *testing.T) {
	t.Parallel()
	const (
		deployment = "/apis/apps/v1/namespaces/kube-system/deployments/coredns"
		pods       = "/api/v1/namespaces/kube-system/pods"
	)
	resolves := 1
	var asked []string
	p := &fake.Provider{Answer: func(args []string) (string, int, bool) {
		asked = append(asked, strings.Join(args, " "))
		return "", resolves, true
	}}
	api := componenttest.NewAPIOf(t, config.Cluster{}, p)
	ready := func(want string) {
		t.Helper()
		if got := componenttest.Message(coredns.New().Ready(context.Background(), api.Cluster, api.Cluster.Nodes[0])); got != want {
			t.Errorf("Ready = %q; want %q", got, want)
		}
	}
	unavailable := `{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"coredns"},"spec":{"replicas":2},"status":{"readyReplicas":1}}`
	api.Object(deployment, unavailable)
	api.Object(pods, `{"apiVersion":"v1","kind":"PodList","items":[]}`)
	ready("deployment coredns has no Ready pod")
	api.Object(pods, `{"apiVersion":"v1","kind":"PodList","items":[{"apiVersion":"v1","kind":"Pod","metadata":{"name":"coredns-x"},
		"status":{"containerStatuses":[{"state":{"waiting":{"reason":"ErrImagePull","message":"no such host"}}}]}}]}`)
	ready("pod coredns-x: ErrImagePull: no such host")
	api.Object(deployment, strings.Replace(unavailable, `"readyReplicas":1`, `"readyReplicas":2`, 1))
	ready("querying 10.96.0.10 for kubernetes.default.svc.cluster.local: running mkube-resolve 10.96.0.10 kubernetes.default.svc.cluster.local on mkube-control-plane: exit code 1")
	resolves = 0
	ready("")
	if len(asked) != 2 {
		t.Errorf("the node was asked %q; want to resolve twice", asked)
	}
}

// TestCoreDNSReadyWithoutServices checks that ready does not query a Service in a cluster
// without kube-proxy.
func TestCoreDNSReadyWithoutServices(t *testing.T) {
	t.Parallel()
	api := componenttest.NewAPI(t, config.Cluster{Networking: config.Networking{KubeProxyMode: config.ProxyNone}})
	api.Object("/apis/apps/v1/namespaces/kube-system/deployments/coredns",
		`{"apiVersion":"apps/v1","kind":"Deployment","spec":{"replicas":1},"status":{"readyReplicas":1}}`)
	if err := coredns.New().Ready(context.Background(), api.Cluster, api.Cluster.Nodes[0]); err != nil {
		t.Error(err)
	}
}
