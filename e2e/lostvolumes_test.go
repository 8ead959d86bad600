//go:build e2e

package e2e

import (
	"strings"
	"testing"
)

// storeOnWorker runs pods that store files on the node worker.
func storeOnWorker(t *testing.T, c cluster) {
	c.apply(t, manifest(t, "keeper.yaml"), "apply", "-f", "-")
	c.kubectl(t, "rollout", "status", "statefulset/keeper", "--timeout=180s")
	c.kubectl(t, "wait", "--for=condition=Ready", "--timeout=180s", "pod/single")
	c.kubectl(t, "exec", "keeper-0", "--", "sh", "-c", "echo kept >/data/file && echo kept >/logs/file")
}

// wantLostVolumes checks the warning of the command that deleted the node worker.
func wantLostVolumes(t *testing.T, c cluster, stderr string) {
	t.Helper()
	want := "Warning: the volumes on node " + c.name + "-worker are lost with it: " +
		"claim default/data-keeper-0, claim default/logs-keeper-0, claim default/single; a new node with this name gets empty volumes\n"
	if !strings.Contains(stderr, want) {
		t.Errorf("delete node printed %q; want %q", stderr, want)
	}
}

// deleteLostClaim deletes a claim whose node is deleted. Its volume must be deleted, too, and no pod
// may wait for the node.
func deleteLostClaim(t *testing.T, c cluster) {
	volume := c.kubectl(t, "get", "pvc", "single", "-o", "jsonpath={.spec.volumeName}")
	c.kubectl(t, "delete", "pod/single", "--ignore-not-found")
	c.kubectl(t, "delete", "pvc/single")
	c.volumeGone(t, volume)
	if pods := c.kubectl(t, "get", "pods", "-n", "local-path-storage", "-o", "name"); strings.Contains(pods, volume) {
		t.Errorf("there are the pods %s", pods)
	}
}

// volumeGone waits until a PersistentVolume does not exist.
func (c cluster) volumeGone(t *testing.T, name string) {
	t.Helper()
	eventually(t, "the volume is gone", func() (bool, string) {
		r := try(t, "", "kubectl", "--name", c.name, "--", "get", "pv", name)
		return strings.Contains(r.stderr, "NotFound"), r.String()
	})
}

// runOnNewWorker waits for the pod whose volumes were on the deleted node. It runs on the new node of
// the same name, with empty volumes.
func runOnNewWorker(t *testing.T, c cluster) {
	c.kubectl(t, "rollout", "status", "statefulset/keeper", "--timeout=180s")
	if node := c.kubectl(t, "get", "pod", "keeper-0", "-o", "jsonpath={.spec.nodeName}"); node != c.name+"-worker" {
		t.Errorf("the pod is on %s", node)
	}
	if left := c.kubectl(t, "exec", "keeper-0", "--", "ls", "-A", "/data", "/logs"); strings.Contains(left, "file") {
		t.Errorf("the new volumes have the files %s", left)
	}
	c.kubectl(t, "exec", "keeper-0", "--", "sh", "-c", "echo new >/data/file && echo new >/logs/file")
}
