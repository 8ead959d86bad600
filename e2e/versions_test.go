//go:build e2e && nightly

package e2e

import (
	"strings"
	"testing"
)

// TestOtherKubernetesVersions compiles two more releases, which takes minutes.
func TestOtherKubernetesVersions(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"v1.36.4", "v1.35.8"} {
		t.Run(version, func(t *testing.T) { anotherVersion(t, version) })
	}
	t.Run("a worker may be one minor older than its control plane", olderWorker)
}

func anotherVersion(t *testing.T, version string) {
	build := []string{"build", "node-image", "--kubernetes-version", version, "--source", "../node-image", "--progress", "plain"}
	if out := try(t, "", build...); out.code != 0 {
		t.Fatal(out)
	}
	t.Run("building it again takes seconds", func(t *testing.T) {
		if again := try(t, "", build...); again.code != 0 || again.took.Seconds() > 10 {
			t.Error(again)
		}
	})
	c := create(t, "e2e-older", "", "--kubernetes-version", version)
	if out := c.kubectl(t, "get", "nodes", "--no-headers"); !strings.Contains(out, " Ready ") || !strings.Contains(out, version) {
		t.Error(out)
	}
	if out := c.kubectl(t, "version"); !strings.Contains(out, "Server Version: "+version) || !strings.Contains(out, "Client Version: "+version) {
		t.Error(out)
	}
	everyPodReady(t, c)
	served(t, c)
	try(t, "", "stage", "check", "--name", c.name).wants(t, 0, "All is as it must be")
	remove(t, c.name)
	if strings.HasPrefix(version, "v1.35.") {
		try(t, "", "create", "cluster", "--name", c.name, "--kubernetes-version", version, "--addon", "metrics-server").
			wants(t, 1, "addon metrics-server is not in node image mkube/node:"+version)
	}
}

const skewed = `
apiVersion: mkube.dev/v1alpha1
kind: Cluster
nodes:
- role: control-plane
- role: worker
  image: mkube/node:v1.36.4
`

// olderWorker checks a worker of an older release, see
// https://kubernetes.io/releases/version-skew-policy/.
func olderWorker(t *testing.T) {
	c := create(t, "e2e-skew", skewed)
	versions := c.kubectl(t, "get", "nodes", "-o", "jsonpath={.items[*].status.nodeInfo.kubeletVersion}")
	if versions != "v1.37.2 v1.36.4" {
		t.Errorf("the nodes' versions are %s", versions)
	}
	everyPodReady(t, c)
	c.kubectl(t, "taint", "node", c.name+"-control-plane", "only=the-worker:NoSchedule")
	served(t, c)
	try(t, "", "stage", "check", "--name", c.name).wants(t, 0, "All is as it must be")
}
