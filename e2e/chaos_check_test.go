//go:build e2e && chaos

package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// check checks that both clusters are whole within the limit and have all objects. It then creates
// one more object in each.
func (c *chaos) check(t *testing.T) {
	t.Helper()
	c.stored++
	for _, name := range []string{oneName, threeName} {
		if got := c.containers(t, name); !slices.Equal(got, nodesOf(name)) {
			t.Errorf("%s has the nodes %v", name, got)
		}
		// If a cluster runs, start only checks that every component is ready.
		mkube(t, "start", "cluster", "--name", name, "--progress", "plain", "--wait", c.limit)
		cl := cluster{name}
		eventually(t, name+" stores an object", func() (bool, string) {
			r := try(t, "", "kubectl", "--name", name, "--", "create", "configmap", fmt.Sprintf("chaos-%d", c.stored))
			return r.code == 0 || strings.Contains(r.stderr, "already exists"), r.String()
		})
		if got := strings.Count(cl.kubectl(t, "get", "configmaps", "-o", "name"), "configmap/chaos-"); got != c.stored {
			t.Errorf("%s has %d of %d objects", name, got, c.stored)
		}
		kubelets := slices.DeleteFunc(nodesOf(name), func(n string) bool { return strings.HasSuffix(n, "load-balancer") })
		ready := strings.Fields(cl.kubectl(t, "get", "nodes", "-o", "jsonpath={.items[*].metadata.name}"))
		if !slices.Equal(ready, kubelets) {
			t.Errorf("%s has the node objects %v; want %v", name, ready, kubelets)
		}
		cl.kubectl(t, "wait", "--for=condition=Ready", "nodes", "--all", "--timeout="+c.limit)
	}
	c.nothing(t)
}

// nothing checks that nothing is left of the cluster that a round created.
func (c *chaos) nothing(t *testing.T) {
	t.Helper()
	if left := labelled(t, c.client, newName); len(left) > 0 {
		t.Errorf("%v are left of %s", left, newName)
	}
}

// containers returns the names of a cluster's nodes, sorted. running returns only those that run.
func (c *chaos) containers(t *testing.T, name string) []string {
	return containersOf(t, c.client, name, true)
}

func (c *chaos) running(t *testing.T, name string) []string {
	return containersOf(t, c.client, name, false)
}
