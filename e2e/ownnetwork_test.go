//go:build e2e

package e2e

import (
	"strings"
	"testing"
)

// bridge is the configuration of a pod network of one node.
const bridge = `{"cniVersion": "1.0.0", "name": "mine", "plugins": [{"type": "bridge", "bridge": "mine0", "isGateway": true, "ipMasq": true,
"ipam": {"type": "host-local", "ranges": [[{"subnet": "SUBNET"}]], "routes": [{"dst": "0.0.0.0/0"}]}}]}`

// TestYourOwnPodNetwork checks that create does not wait for a pod network if mkube's is disabled,
// and that the node becomes Ready with another one.
func TestYourOwnPodNetwork(t *testing.T) {
	t.Parallel()
	c := create(t, "e2e-mynetwork", "apiVersion: mkube.dev/v1alpha1\nkind: Cluster\nnetworking: {disableDefaultCNI: true}\n", "--wait", "0")
	if out := c.kubectl(t, "get", "--raw", "/readyz"); out != "ok" {
		t.Errorf("when create returns, the API server says %q", out)
	}
	var subnet string
	eventually(t, "the node has a part of the pod subnet", func() (bool, string) {
		subnet = c.kubectl(t, "get", "nodes", "-o", "jsonpath={.items[*].spec.podCIDR}")
		return strings.HasPrefix(subnet, "10.244."), subnet
	})
	if out := c.kubectl(t, "get", "nodes", "--no-headers"); !strings.Contains(out, " NotReady ") {
		t.Errorf("without a pod network the node is\n%s", out)
	}
	if r := c.sh(t, "ls -A /etc/cni/net.d; systemctl is-active kube-network-policies mkube-pod-network"); strings.Contains(r.stdout, "mkube") || strings.Contains(r.stdout, "\nactive") {
		t.Errorf("it has of mkube's network: %s", r)
	}
	if r := try(t, strings.ReplaceAll(bridge, "SUBNET", subnet), "exec", "control-plane", "--name", c.name, "--", "tee", "/etc/cni/net.d/10-mine.conflist"); r.code != 0 {
		t.Fatal(r)
	}
	c.kubectl(t, "wait", "--for=condition=Ready", "node", "--all", "--timeout=180s")
	everyPodReady(t, c)
	if out := c.kubectl(t, "get", "pods", "-n", "kube-system", "-l", "k8s-app=kube-dns", "-o", "jsonpath={.items[*].status.podIP}"); !strings.HasPrefix(out, strings.TrimSuffix(subnet, "0/24")) {
		t.Errorf("CoreDNS has the address %s, of none of %s", out, subnet)
	}
}
