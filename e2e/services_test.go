//go:build e2e

package e2e

import (
	"slices"
	"strings"
	"testing"
)

// TestServices uses Services of every type, with both modes of kube-proxy.
func TestServices(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"nftables", "iptables"} {
		t.Run(mode, func(t *testing.T) {
			c := create(t, "e2e-"+mode, `
apiVersion: mkube.dev/v1alpha1
kind: Cluster
networking: {kubeProxyMode: `+mode+`}
nodes:
- role: control-plane
- role: worker
  labels: {only: worker}
`)
			c.apply(t, manifest(t, "hosts.yaml"), "apply", "-f", "-")
			c.kubectl(t, "rollout", "status", "deployment/hosts", "--timeout=180s")
			c.kubectl(t, "wait", "--for=condition=Ready", "--timeout=180s", "pod/here")
			services(t, c)
			remove(t, c.name)
		})
	}
}

func services(t *testing.T, c cluster) {
	ask := func(service string) string {
		return c.kubectl(t, "exec", "here", "--", "sh", "-c", "for i in $(busybox seq 12); do busybox timeout 5 wget -q -O - http://"+service+"; done")
	}
	distinct := func(answers string) int {
		list := strings.Fields(answers)
		slices.Sort(list)
		return len(slices.Compact(list))
	}
	eventually(t, "a Service is answered by several pods", func() (bool, string) {
		answers := ask("any")
		return distinct(answers) > 1, answers
	})
	if answers := ask("sticky"); distinct(answers) != 1 || len(strings.Fields(answers)) != 12 {
		t.Errorf("with session affinity, who answers one client is\n%s", answers)
	}
	addresses := c.kubectl(t, "get", "pods", "-l", "app=hosts", "-o", "jsonpath={.items[*].status.podIP}")
	eventually(t, "the name of a headless Service is the addresses of its pods", func() (bool, string) {
		out := c.kubectl(t, "exec", "here", "--", "nslookup", "headless.default.svc.cluster.local")
		for _, a := range strings.Fields(addresses) {
			if !strings.Contains(out, a) {
				return false, out
			}
		}
		return true, ""
	})
	eventually(t, "a node port of the policy Local is answered on the node of its pod", func() (bool, string) {
		r := c.sh(t, "curl --silent --show-error --max-time 2 http://"+c.name+"-worker:30090")
		return strings.Contains(r.stdout, "Welcome to a pod"), r.String()
	})
	from := mkube(t, "exec", c.name+"-worker", "--", "sh", "-c", "curl --silent --max-time 2 --output /dev/null --write-out '%{http_code}' http://"+c.name+"-control-plane:30090; true")
	if from != "000" {
		t.Errorf("asked from outside, the node without such a pod answers %s", from)
	}
}

// TestNoKubeProxy checks that a cluster without kube-proxy comes up, and that no Service in it
// answers.
func TestNoKubeProxy(t *testing.T) {
	t.Parallel()
	c := create(t, "e2e-noproxy", "\napiVersion: mkube.dev/v1alpha1\nkind: Cluster\nnetworking: {kubeProxyMode: none}\n")
	if pods := c.kubectl(t, "-n", "kube-system", "get", "pods", "-o", "name"); strings.Contains(pods, "kube-proxy") || !strings.Contains(pods, "coredns") {
		t.Errorf("the pods are %s", pods)
	}
	everyPodReady(t, c)
	if r := c.sh(t, "curl --silent --insecure --max-time 2 https://10.96.0.1/livez"); r.code == 0 {
		t.Errorf("the Service kubernetes answers: %s", r)
	}
	try(t, "", "stage", "check", "--name", c.name).wants(t, 0, "All is as it must be")
}
