package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
)

// TestNames checks the names by which a node calls this binary.
func TestNames(t *testing.T) {
	want := "bootstrap-rbac, cloud-controller-manager, etcd, kube-apiserver, kube-controller-manager, kube-network-policies, kube-proxy, kube-scheduler, kubectl, kubelet, metrics-server, mkube-etcd"
	if got := names(); got != want {
		t.Errorf("the programs are %s; want %s", got, want)
	}
}

// TestRBACObjects checks that each object has a kind and a name, and that no two objects are the same.
// It also checks for some objects without which a cluster does not come up.
func TestRBACObjects(t *testing.T) {
	seen := map[string]bool{}
	for _, object := range rbacObjects() {
		accessor, err := meta.Accessor(object)
		if err != nil {
			t.Fatal(err)
		}
		kind := kindOf(object)
		key := kind.Kind + " " + accessor.GetNamespace() + "/" + accessor.GetName()
		if seen[key] || accessor.GetName() == "" || kind.GroupVersion() != rbacv1.SchemeGroupVersion {
			t.Errorf("%s is there twice, or without a name", key)
		}
		if namespaced := strings.HasPrefix(kind.Kind, "Role"); namespaced != (accessor.GetNamespace() != "") {
			t.Errorf("%s is in the namespace %q", key, accessor.GetNamespace())
		}
		seen[key] = true
	}
	for _, want := range []string{
		"ClusterRole /system:kube-scheduler", "ClusterRoleBinding /system:kube-scheduler", "ClusterRole /system:controller:node-controller",
		"ClusterRoleBinding /system:controller:node-controller", "Role kube-system/extension-apiserver-authentication-reader",
		"RoleBinding kube-system/system::extension-apiserver-authentication-reader",
	} {
		if !seen[want] {
			t.Errorf("there is no %s", want)
		}
	}
}

func TestSorted(t *testing.T) {
	if got := sorted(map[string]int{"b": 1, "a": 2, "c": 3}); !slices.Equal(got, []string{"a", "b", "c"}) {
		t.Errorf("sorted = %q", got)
	}
}

// healthz starts a server that is healthy from its n-th request on. It returns a kubeconfig for the
// server, and the number of its requests.
func healthz(t *testing.T, n int32) (kubeconfig string, asked *atomic.Int32) {
	t.Helper()
	asked = new(atomic.Int32)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/healthz" || asked.Add(1) < n {
			w.WriteHeader(http.StatusInternalServerError)
		}
	}))
	t.Cleanup(server.Close)
	kubeconfig = filepath.Join(t.TempDir(), "config")
	data := `{apiVersion: v1, kind: Config, current-context: a, contexts: [{name: a, context: {cluster: a, user: a}}],
users: [{name: a, user: {token: x}}], clusters: [{name: a, cluster: {server: "` + server.URL + `"}}]}`
	if err := os.WriteFile(kubeconfig, []byte(data), 0o600); err != nil {
		t.Fatal(err)
	}
	return kubeconfig, asked
}

// TestWhenHealthy sets the arguments of the process, so no other test may run at the same time.
func TestWhenHealthy(t *testing.T) {
	args := os.Args
	t.Cleanup(func() { os.Args = args })
	run := func(args ...string) (code int, took time.Duration) {
		os.Args = append([]string{"kube-controller-manager"}, args...)
		start := time.Now()
		return whenHealthy(func() int { return 7 })(), time.Since(start)
	}
	kubeconfig, asked := healthz(t, 3)
	if code, _ := run("--v=2", "--kubeconfig="+kubeconfig); code != 7 || asked.Load() != 3 {
		t.Errorf("the program ends with %d, and the server was asked %d times", code, asked.Load())
	}
	// The program itself reports errors of a kubeconfig.
	for _, args := range [][]string{nil, {"--kubeconfig=/no/such/file"}, {"--help"}} {
		if code, took := run(args...); code != 7 || took > time.Second {
			t.Errorf("with %q it ends with %d after %s", args, code, took)
		}
	}
}
