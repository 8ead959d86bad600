//go:build e2e && chaos

package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// check wants both clusters to be whole within the limit, with all objects that they
// were given, and gives each another one.
func (c *chaos) check(t *testing.T) {
	t.Helper()
	c.stored++
	for _, name := range []string{oneName, threeName} {
		if got := c.containers(t, name); !slices.Equal(got, nodesOf(name)) {
			t.Errorf("%s has the nodes %v", name, got)
		}
		// Of a cluster that runs, start only makes sure that every component is ready.
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

// nothing wants nothing to be left of the cluster that was created for a round.
func (c *chaos) nothing(t *testing.T) {
	t.Helper()
	if left := labelled(t, c.client, newName); len(left) > 0 {
		t.Errorf("%v are left of %s", left, newName)
	}
}

// containers are the names of a cluster's nodes, sorted, and running those that run.
func (c *chaos) containers(t *testing.T, name string) []string {
	return containersOf(t, c.client, name, true)
}

func (c *chaos) running(t *testing.T, name string) []string {
	return containersOf(t, c.client, name, false)
}
