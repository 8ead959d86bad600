//go:build e2e

package e2e

import (
	"testing"
	"time"
)

// asker runs a pod of that name on a node, with the label role=NAME.
func asker(t *testing.T, c cluster, name, node string) {
	t.Helper()
	c.kubectl(t, "run", name, "--image=mkube/e2e-web:test", "--image-pull-policy=Never", "--labels=role="+name, "--overrides",
		`{"spec":{"nodeName":"`+node+`","terminationGracePeriodSeconds":1}}`, "--", "sleep", "3600")
	c.kubectl(t, "wait", "--for=condition=Ready", "--timeout=180s", "pod/"+name)
}

func policies(t *testing.T, c cluster, pods []nodePod) {
	asker(t, c, "friend", pods[0].node)
	asker(t, c, "stranger", pods[1].node)
	asker(t, c, "caged", pods[1].node)
	reach := func(from string, to nodePod, want bool) {
		t.Helper()
		eventually(t, from+" reaching "+to.node+" is as the policies say", func() (bool, string) {
			ok, answer := c.fetch(t, from, "http://"+host(to.ips[0]))
			return ok == want, answer
		})
	}
	for _, pod := range pods {
		reach("stranger", pod, true)
	}
	c.apply(t, manifest(t, "policies.yaml"), "apply", "-f", "-")
	for _, pod := range pods {
		reach("stranger", pod, false)
		reach("friend", pod, true)
	}
	// Policies do not apply to requests of the node itself, for example probes.
	if r := try(t, "", "exec", pods[0].node, "--name", c.name, "--", "curl", "--silent", "--max-time", "3", "http://"+pods[0].ips[0]); r.code != 0 {
		t.Errorf("a node does not reach its own pod: %s", r)
	}
	eventually(t, "the caged pod resolves names", func() (bool, string) {
		r := try(t, "", "kubectl", "--name", c.name, "--", "exec", "caged", "--", "nslookup", "kubernetes.default.svc.cluster.local")
		return r.code == 0, r.String()
	})
	server := c.kubectl(t, "get", "pods", "-n", "kube-system", "-l", "k8s-app=kube-dns", "-o", "jsonpath={.items[0].status.podIP}")
	start := time.Now()
	if r := try(t, "", "kubectl", "--name", c.name, "--", "exec", "caged", "--", "curl", "--silent", "--max-time", "3", "http://"+server+":8181/ready"); r.code == 0 {
		t.Errorf("the caged pod reaches another port, after %s: %s", time.Since(start), r)
	}
	if r := try(t, "", "kubectl", "--name", c.name, "--", "exec", "stranger", "--", "curl", "--silent", "--max-time", "3", "http://"+server+":8181/ready"); r.code != 0 {
		t.Errorf("no other pod reaches that port either: %s", r)
	}
	c.kubectl(t, "delete", "networkpolicy", "--all")
	for _, pod := range pods {
		reach("stranger", pod, true)
	}
	c.kubectl(t, "delete", "pod", "friend", "stranger", "caged")
}
