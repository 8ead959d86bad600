//go:build e2e

package e2e

import (
	"strings"
	"testing"
)

const bothFamilies = `
apiVersion: mkube.dev/v1alpha1
kind: Cluster
nodes:
- role: control-plane
- role: worker
  resources: {cpus: 500m, memory: 1536Mi}
  kubeletConfigPatches: ["maxPods: 40"]
networking: {ipFamily: dual}
`

func TestBothFamilies(t *testing.T) {
	t.Parallel()
	c := create(t, "e2e-dual", bothFamilies)
	pods := everywhere(t, c)
	t.Run("every pod has an address of each family, and is reached by both", func(t *testing.T) {
		for _, pod := range pods {
			if len(pod.ips) != 2 || strings.Contains(pod.ips[0], ":") || !strings.Contains(pod.ips[1], ":") {
				t.Errorf("%s has %q", pod.name, pod.ips)
			}
		}
		podsReachEachOther(t, c, pods)
	})
	t.Run("so is a Service", func(t *testing.T) {
		ips := strings.Fields(c.kubectl(t, "get", "service", "everywhere", "-o", "jsonpath={.spec.clusterIPs[0]} {.spec.clusterIPs[1]}"))
		if len(ips) != 2 {
			t.Fatal(ips)
		}
		for _, ip := range ips {
			eventually(t, ip+" answers", func() (bool, string) { return c.fetch(t, pods[0].name, "http://"+host(ip)) })
		}
	})
	t.Run("the limits of a node are its capacity, and its kubelet's patches hold", func(t *testing.T) {
		got := c.kubectl(t, "get", "node", c.name+"-worker", "-o",
			"jsonpath={.status.capacity.cpu} {.status.allocatable.cpu} {.status.capacity.memory} {.status.capacity.pods}")
		if got != "1 500m 1536Mi 40" && got != "1 500m 1572864Ki 40" {
			t.Errorf("capacity and allocatable CPUs, memory and pods are %q", got)
		}
	})
}

func TestIPv6Only(t *testing.T) {
	t.Parallel()
	c := create(t, "e2e-six", "apiVersion: mkube.dev/v1alpha1\nkind: Cluster\nnetworking: {ipFamily: ipv6}\n", "--workers", "1")
	pods := everywhere(t, c)
	for _, pod := range pods {
		if len(pod.ips) != 1 || !strings.Contains(pod.ips[0], ":") {
			t.Errorf("%s has %q", pod.name, pod.ips)
		}
	}
	podsReachEachOther(t, c, pods)
	eventually(t, "a name of the cluster resolves and its Service answers", func() (bool, string) {
		return c.fetch(t, pods[0].name, "http://everywhere.default.svc.cluster.local")
	})
	t.Run("network policies hold from the first packet of a pod", func(t *testing.T) { firstPackets(t, c, pods) })
}
