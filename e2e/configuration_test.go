//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestAConfigurationHolds creates one cluster with most fields of a configuration, and checks the
// effect of each.
func TestAConfigurationHolds(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "note"), []byte("from the host"), 0o644); err != nil {
		t.Fatal(err)
	}
	c := create(t, "e2e-fields", fmt.Sprintf(`
apiVersion: mkube.dev/v1alpha1
kind: Cluster
nodes:
- role: control-plane
  taints: [{key: dedicated, value: e2e, effect: PreferNoSchedule}]
  extraMounts: [{hostPath: %s, containerPath: /mnt/e2e, readOnly: true}]
networking:
  podSubnet: 10.245.0.0/16
featureGates: {MutatingAdmissionPolicy: true}
runtimeConfig: {api/alpha: "true"}
extraArgs:
  kube-scheduler: {v: "4"}
  kubelet: {max-pods: "42"}
containerdConfigPatches:
- |
  [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.other]
  runtime_type = "io.containerd.runc.v2"
- |
  version = 2
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.old]
  runtime_type = "io.containerd.runc.v2"
  [plugins."io.containerd.grpc.v1.cri".registry.mirrors."registry.example:5001"]
  endpoint = ["http://mirror.example:5000"]
`, dir))
	for what, check := range map[string]struct{ script, want string }{
		"the mount":                  {"cat /mnt/e2e/note", "from the host"},
		"that it is read-only":       {"touch /mnt/e2e/x 2>&1", "Read-only file system"},
		"the taint":                  {"kubectl get nodes -o jsonpath='{.items[0].spec.taints}'", `"key":"dedicated"`},
		"the pod subnet":             {"kubectl get pods -n kube-system -l k8s-app=kube-dns -o jsonpath='{.items[0].status.podIP}'", "10.245.0."},
		"the kubelet's flag":         {"kubectl get nodes -o jsonpath='{.items[0].status.capacity.pods}'", "42"},
		"the scheduler's flag":       {"kubectl get pod -n kube-system kube-scheduler-$(hostname) -o yaml", "--v=4"},
		"the alpha APIs":             {"kubectl api-versions", "alpha1"},
		"the feature gate":           {"kubectl get --raw /metrics | grep kubernetes_feature_enabled", `name="MutatingAdmissionPolicy"`},
		"a runtime in old words":     {"crictl info -o json | jq -c .config.containerd.runtimes.old", "io.containerd.runc.v2"},
		"a mirror in old words":      {"containerd config dump 2>/dev/null | grep -A1 'registry.mirrors'", "http://mirror.example:5000"},
		"that no field is ignored":   {"journalctl --unit containerd | grep -c 'Ignoring unknown key'", "0"},
		"containerd's other runtime": {"crictl info -o json | jq -c .config.containerd.runtimes.other", "io.containerd.runc.v2"},
	} {
		if r := c.sh(t, check.script); !strings.Contains(r.stdout+r.stderr, check.want) {
			t.Errorf("%s is not there, want %q: %s", what, check.want, r)
		}
	}
}
