//go:build e2e

package e2e

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

const threeNodes = `
apiVersion: mkube.dev/v1alpha1
kind: Cluster
nodes:
- role: control-plane
- role: worker
- role: worker
`

// TestLoadBalancerMoves kills one node after the other, until only the node with the web server is
// left. Not even the control plane is needed.
func TestLoadBalancerMoves(t *testing.T) {
	c := create(t, "e2e-moves", threeNodes)
	loadWeb(t, c)
	c.apply(t, strings.Replace(manifest(t, "web.yaml"), "replicas: 2", "replicas: 1", 1), "apply", "-f", "-")
	c.kubectl(t, "rollout", "status", "deployment/web", "--timeout=180s")
	home := c.kubectl(t, "get", "pods", "-l", "app=web", "-o", "jsonpath={.items[0].spec.nodeName}")
	other := c.name + "-worker"
	if home == other {
		other += "2"
	}
	var addresses []string
	for i := range 8 {
		name := fmt.Sprint("web-", i)
		c.kubectl(t, "expose", "deployment", "web", "--name", name, "--type=LoadBalancer", "--port=80")
		addresses = append(addresses, c.address(t, "default", name))
	}
	for _, a := range addresses {
		eventually(t, a+" answers", func() (bool, string) { return visit(a) })
	}
	t.Run("each address is held by one node", func(t *testing.T) {
		for _, a := range addresses {
			eventually(t, "one node holds "+a, func() (bool, string) {
				holders := c.holders(t, a, home, other, c.name+"-control-plane")
				return len(holders) == 1, fmt.Sprint(holders)
			})
		}
	})
	t.Run("an address of a Service with local traffic is where its pod is", func(t *testing.T) {
		c.kubectl(t, "expose", "deployment", "web", "--name", "local", "--type=LoadBalancer", "--port=80", `--overrides={"spec":{"externalTrafficPolicy":"Local"}}`)
		a := c.address(t, "default", "local")
		eventually(t, a+" answers", func() (bool, string) { return visit(a) })
		if got := c.holders(t, a, home, other, c.name+"-control-plane"); !slices.Equal(got, []string{home}) {
			t.Errorf("it is held by %q; the pod is on %s", got, home)
		}
	})
	t.Run("a Service of another class gets no address", func(t *testing.T) { otherClass(t, c) })
	t.Run("a node that is excluded holds no address", func(t *testing.T) { excluded(t, c, home, other, addresses) })
	names := heldBy(t, c, other)
	t.Run("a pod cannot send heartbeats of its node", func(t *testing.T) { forge(t, c, other, names, home, c.name+"-control-plane") })
	for _, node := range []string{other, c.name + "-control-plane"} {
		t.Run("addresses of "+node+" move within five seconds when it is killed", func(t *testing.T) {
			var held []string
			for _, a := range addresses {
				if slices.Equal(c.holders(t, a, node), []string{node}) {
					held = append(held, a)
				}
			}
			if len(held) == 0 {
				t.Fatalf("%s holds none of %q", node, addresses)
			}
			killed := time.Now()
			if err := daemon.ContainerKill(t.Context(), node, "KILL"); err != nil {
				t.Fatal(err)
			}
			takenOver(t, held[0], killed, func() bool { return answers(held[0]) })
			if node == other {
				takenOver(t, names+" by UDP", killed, func() bool { return resolvesSoon(t, names) })
			}
			for _, a := range held[1:] {
				takenOver(t, a, killed, func() bool { return answers(a) })
			}
		})
	}
}

// takeover is the time limit in the README.
const takeover = 5 * time.Second

// takenOver checks that an address of a killed node answers in time.
func takenOver(t *testing.T, address string, killed time.Time, answers func() bool) {
	t.Helper()
	for !answers() {
		if time.Since(killed) > 20*time.Second {
			t.Fatalf("%s does not answer", address)
		}
		time.Sleep(50 * time.Millisecond)
	}
	wait := time.Since(killed)
	t.Logf("%s answers %s after the kill", address, wait.Round(10*time.Millisecond))
	if wait > takeover {
		t.Errorf("%s answers only after %s", address, wait)
	}
}

// otherClass checks that a Service of another class has no address when a younger Service has one.
func otherClass(t *testing.T, c cluster) {
	c.kubectl(t, "expose", "deployment", "web", "--name", "theirs", "--type=LoadBalancer", "--port=80", `--overrides={"spec":{"loadBalancerClass":"example.com/theirs"}}`)
	c.kubectl(t, "expose", "deployment", "web", "--name", "younger", "--type=LoadBalancer", "--port=80")
	c.address(t, "default", "younger")
	if got := c.kubectl(t, "get", "service", "theirs", "-o", "jsonpath={.status.loadBalancer}"); got != "{}" && got != "" {
		t.Errorf("it has %s", got)
	}
	c.kubectl(t, "delete", "service", "theirs", "younger", "--timeout=180s")
}

// excluded excludes a node, checks that others hold its addresses, and includes it again.
func excluded(t *testing.T, c cluster, home, node string, addresses []string) {
	const label = "node.kubernetes.io/exclude-from-external-load-balancers"
	holds := func() (count int, all string) {
		for _, a := range addresses {
			holders := c.holders(t, a, home, node, c.name+"-control-plane")
			if slices.Contains(holders, node) {
				count++
			}
			all += fmt.Sprint(a, holders, " ")
		}
		return count, all
	}
	if before, all := holds(); before == 0 {
		t.Fatalf("%s holds nothing: %s", node, all)
	}
	c.kubectl(t, "label", "node", node, label+"=")
	eventually(t, "it holds no address", func() (bool, string) {
		count, all := holds()
		return count == 0 && !strings.Contains(all, "[]"), all
	})
	for _, a := range addresses {
		eventually(t, a+" answers", func() (bool, string) { return visit(a) })
	}
	c.kubectl(t, "label", "node", node, label+"-")
	eventually(t, "it holds some again", func() (bool, string) {
		count, all := holds()
		return count > 0, all
	})
}

// heldBy returns the address of a Service for the cluster's DNS that a node holds. The DNS server
// itself runs on the control plane.
func heldBy(t *testing.T, c cluster, node string) string {
	t.Helper()
	c.kubectl(t, "patch", "deployment", "coredns", "-n", "kube-system", "-p",
		`{"spec":{"template":{"spec":{"nodeSelector":{"kubernetes.io/hostname":"`+c.name+`-control-plane"}}}}}`)
	c.kubectl(t, "rollout", "status", "deployment/coredns", "-n", "kube-system", "--timeout=180s")
	for i := range 20 {
		name := fmt.Sprint("dns-", i)
		c.kubectl(t, "expose", "deployment", "coredns", "-n", "kube-system", "--name", name, "--type=LoadBalancer", "--port=53", "--target-port=53", "--protocol=UDP")
		a := c.address(t, "kube-system", name)
		eventually(t, a+" answers", func() (bool, string) { return resolve(t, "udp", a) })
		if slices.Equal(c.holders(t, a, node), []string{node}) {
			return a
		}
	}
	t.Fatalf("of 20 addresses %s holds none", node)
	return ""
}

// forge sends heartbeats from a pod of a node to other nodes. They say that the node does not hold
// its addresses, so that another node would take an address that it holds.
func forge(t *testing.T, c cluster, node, address string, others ...string) {
	c.kubectl(t, "run", "forger", "--image="+webImage, "--image-pull-policy=Never", `--overrides={"spec":{"nodeName":"`+node+`"}}`)
	c.kubectl(t, "wait", "--for=condition=Ready", "pod/forger", "--timeout=180s")
	// The image has no program that sends UDP packets, so one of the node runs in the pod's network.
	send := `pid=$(crictl inspect --output go-template --template '{{.info.pid}}' $(crictl ps --quiet --name '^forger$'))
exec nsenter --target $pid --net bash -c 'for i in {1..100}; do for ip in "$@"; do
  printf "mkube speaker 1 0" >/dev/udp/$ip/10258; printf "mkube speaker 2 0%032d" 0 >/dev/udp/$ip/10258
done; sleep 0.05; done' bash`
	// Most of 200 packets have arrived when it ends.
	const watch = `udp() { awk '/^Udp: [0-9]/ { print $2 }' /proc/net/snmp; }; enough=$(($(udp) + 180))
for i in $(seq 600); do ip -brief address show dev eth0; [ $(udp) -lt $enough ] || exit 0; sleep 0.1; done; exit 1`
	var wait sync.WaitGroup
	for _, other := range others {
		send += " " + c.kubectl(t, "get", "node", other, "-o", `jsonpath={.status.addresses[?(@.type=="InternalIP")].address}`)
		wait.Go(func() {
			r := try(t, "", "exec", other, "--", "sh", "-c", watch)
			if r.code != 0 || strings.Contains(r.stdout, " "+address+"/") {
				t.Errorf("%s must not take %s from %s: %s", other, address, node, r)
			}
		})
	}
	if r := try(t, "", "exec", node, "--", "bash", "-c", send); r.code != 0 {
		t.Error(r)
	}
	wait.Wait()
	if got := c.holders(t, address, append(others, node)...); !slices.Equal(got, []string{node}) {
		t.Errorf("%s is held by %q; want %s", address, got, node)
	}
	c.kubectl(t, "delete", "pod", "forger", "--grace-period=0", "--force")
}
