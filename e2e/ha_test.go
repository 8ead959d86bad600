//go:build e2e

package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
)

func TestHighAvailability(t *testing.T) {
	c := create(t, "e2e-ha", "", "--control-planes", "3")
	if out := mkube(t, "get", "nodes", "--name", c.name); !strings.HasSuffix(out, c.name+"-external-load-balancer\n") {
		t.Error(out)
	}
	everyPodReady(t, c)
	t.Run("etcd has three members", func(t *testing.T) { members(t, c, 3) })
	t.Run("with one control plane killed, kubectl goes on and writes succeed", func(t *testing.T) { killOne(t, c) })
	t.Run("it comes back in sync", func(t *testing.T) { comesBackInSync(t, c) })
	t.Run("certificates are renewed while writes succeed", func(t *testing.T) { renewsInTurn(t, c) })
	t.Run("a control plane is added and deleted", func(t *testing.T) {
		if out := mkube(t, "add", "node", "--role", "control-plane", "--name", c.name); out != c.name+"-control-plane4\n" {
			t.Errorf("added %q", out)
		}
		members(t, c, 4)
		everyPodReady(t, c)
		mkube(t, "delete", "node", "control-plane4", "--name", c.name)
		members(t, c, 3)
	})
	if nightly {
		t.Run("a cluster whose authorities have expired starts", func(t *testing.T) {
			served(t, c)
			c.ages(t, []string{c.name + "-control-plane", c.name + "-control-plane2", c.name + "-control-plane3"}, 11)
			mkube(t, "stop", "cluster", "--name", c.name)
			mkube(t, "start", "cluster", "--name", c.name, "--progress", "plain")
			members(t, c, 3)
			c.works(t, 3)
		})
	}
}

// renewsInTurn renews the certificates of all control planes, and writes through the load balancer
// meanwhile. Clients lose connections to a server that restarts, but not for long.
func renewsInTurn(t *testing.T, c cluster) {
	before := c.sh(t, "cat /etc/kubernetes/pki/apiserver.crt").stdout
	done := make(chan result)
	go func() {
		done <- tryContext(t, t.Context(), "", "renew", "certificates", "--name", c.name, "--progress", "plain")
	}()
	const limit = 15 * time.Second
	written, last := 0, time.Now()
	for {
		select {
		case r := <-done:
			r.wants(t, 0, `Cluster "`+c.name+`" has new certificates after `)
			t.Logf("%d writes succeeded meanwhile", written)
			if after := c.sh(t, "cat /etc/kubernetes/pki/apiserver.crt").stdout; after == before {
				t.Error("the API server's certificate is the old one")
			}
			members(t, c, 3)
			everyPodReady(t, c)
			return
		default:
		}
		if r := c.throughBalancer(t, "create", "configmap", fmt.Sprintf("meanwhile-%d", written)); r.code == 0 {
			written, last = written+1, time.Now()
		} else if time.Since(last) > limit {
			t.Errorf("no write has succeeded for %s: %s", limit, r)
			last = time.Now()
		}
	}
}

// throughBalancer runs the node image's kubectl on a control plane, connected to the load
// balancer, as the host is.
func (c cluster) throughBalancer(t *testing.T, args ...string) result {
	t.Helper()
	config := mkube(t, "get", "kubeconfig", "--internal", "--name", c.name)
	return try(t, config, append([]string{"exec", "control-plane3", "--name", c.name, "--", "kubectl", "--kubeconfig", "/dev/stdin", "--request-timeout", "5s"}, args...)...)
}

func killOne(t *testing.T, c cluster) {
	if err := daemon.ContainerKill(t.Context(), c.name+"-control-plane", "KILL"); err != nil {
		t.Fatal(err)
	}
	// etcd may have lost its leader, and clients may have lost the server of their connection.
	eventually(t, "a write through the load balancer succeeds", func() (bool, string) {
		r := c.throughBalancer(t, "create", "configmap", "written-without-one")
		return r.code == 0 || strings.Contains(r.stderr, "already exists"), r.String()
	})
	for i := range 10 {
		if r := c.throughBalancer(t, "create", "configmap", fmt.Sprintf("another-%d", i)); r.code != 0 {
			t.Errorf("write %d: %s", i, r)
		}
	}
	if r := try(t, "", "kubectl", "--name", c.name, "--", "get", "configmap", "written-without-one"); r.code != 0 {
		t.Errorf("mkube kubectl finds no control plane that runs: %s", r)
	}
}

func comesBackInSync(t *testing.T, c cluster) {
	if err := daemon.ContainerStart(t.Context(), c.name+"-control-plane", container.StartOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the node that was away serves what was written meanwhile", func() (bool, string) {
		r := c.sh(t, "kubectl --request-timeout 5s get configmap written-without-one")
		return r.code == 0, r.String()
	})
	eventually(t, "all nodes are Ready", func() (bool, string) {
		out := c.kubectl(t, "get", "nodes", "--no-headers")
		return strings.Count(out, " Ready ") == 3, out
	})
	members(t, c, 3)
}

// members checks that etcd has that many members, all of them started and in sync.
func members(t *testing.T, c cluster, want int) {
	t.Helper()
	const etcd = "curl --silent --max-time 5 --cacert /etc/kubernetes/pki/etcd/ca.crt --cert /etc/kubernetes/pki/apiserver-etcd-client.crt --key /etc/kubernetes/pki/apiserver-etcd-client.key "
	eventually(t, fmt.Sprintf("etcd has %d healthy members", want), func() (bool, string) {
		r := c.sh(t, "for url in $("+etcd+"--data {} https://127.0.0.1:2379/v3/cluster/member/list | jq -r '.members[].clientURLs[0]'); do "+etcd+"$url/health; done")
		return strings.Count(r.stdout, `"health":"true"`) == want && strings.Count(r.stdout, "health") == want, r.String()
	})
}
