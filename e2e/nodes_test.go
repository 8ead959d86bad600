//go:build e2e

package e2e

import (
	"fmt"
	"strings"
	"testing"
)

// nodePod is a pod of the DaemonSet "everywhere".
type nodePod struct {
	name, node string
	ips        []string
}

// everywhere runs a web server on every node and returns its pods, all of them Ready.
func everywhere(t *testing.T, c cluster) []nodePod {
	t.Helper()
	loadWeb(t, c)
	c.apply(t, manifest(t, "everywhere.yaml"), "apply", "-f", "-")
	c.kubectl(t, "rollout", "status", "daemonset/everywhere", "--timeout=180s")
	var pods []nodePod
	out := c.kubectl(t, "get", "pods", "-l", "app=everywhere", "-o",
		`jsonpath={range .items[*]}{.metadata.name} {.spec.nodeName} {.status.podIPs[*].ip}{"\n"}{end}`)
	for line := range strings.Lines(out) {
		f := strings.Fields(line)
		pods = append(pods, nodePod{f[0], f[1], f[2:]})
	}
	return pods
}

// fetch requests a URL from inside a pod.
func (c cluster) fetch(t *testing.T, pod, url string) (bool, string) {
	r := try(t, "", "kubectl", "--name", c.name, "--", "exec", pod, "--", "curl", "--silent", "--show-error", "--max-time", "3", url)
	return strings.Contains(r.stdout, "Welcome to nginx!"), r.String()
}

// host returns an address in the form of a URL.
func host(ip string) string {
	if strings.Contains(ip, ":") {
		return "[" + ip + "]"
	}
	return ip
}

// podsReachEachOther checks that every pod reaches every other pod by all its addresses.
func podsReachEachOther(t *testing.T, c cluster, pods []nodePod) {
	t.Helper()
	for _, from := range pods {
		for _, to := range pods {
			for _, ip := range to.ips {
				if ok, answer := c.fetch(t, from.name, "http://"+host(ip)); !ok {
					t.Errorf("from %s to %s (%s): %s", from.node, to.node, ip, answer)
				}
			}
		}
	}
}

func TestManyNodes(t *testing.T) {
	t.Parallel()
	c := create(t, "e2e-nodes", "", "--workers", "2")
	if out := c.kubectl(t, "get", "nodes", "--no-headers"); strings.Count(out, " Ready ") != 3 {
		t.Fatal(out)
	}
	pods := everywhere(t, c)
	t.Run("pods on different nodes reach each other", func(t *testing.T) { podsReachEachOther(t, c, pods) })
	t.Run("a pod is seen under its own address on another node", func(t *testing.T) {
		from, to := pods[0], pods[1]
		if ok, answer := c.fetch(t, from.name, "http://"+to.ips[0]+"/?who-am-i"); !ok {
			t.Fatal(answer)
		}
		eventually(t, "the request is in the log", func() (bool, string) {
			out := c.kubectl(t, "logs", to.name)
			return strings.Contains(out, from.ips[0]+" - - ") && strings.Contains(out, "who-am-i"), out
		})
	})
	t.Run("a Service answers on the NodePort of each node, and a pod that reaches itself by it", func(t *testing.T) {
		address := c.kubectl(t, "get", "service", "everywhere", "-o", "jsonpath={.spec.clusterIP}")
		for _, pod := range pods {
			for _, url := range []string{"http://" + address, "http://everywhere.default.svc.cluster.local"} {
				for range 6 { // there are three pods, and one of them sends the requests
					if ok, answer := c.fetch(t, pod.name, url); !ok {
						t.Fatalf("from %s: %s", pod.node, answer)
					}
				}
			}
			if r := c.sh(t, "curl --silent --max-time 3 http://$(getent hosts "+pod.node+" | cut -d' ' -f1):30090"); !strings.Contains(r.stdout, "Welcome to nginx!") {
				t.Errorf("NodePort of %s: %s", pod.node, r)
			}
			if r := c.sh(t, "curl --silent --max-time 3 http://$(getent hosts "+pod.node+" | cut -d' ' -f1):8090"); !strings.Contains(r.stdout, "Welcome to nginx!") {
				t.Errorf("host port of %s: %s", pod.node, r)
			}
		}
	})
	t.Run("a headless Service names every pod", func(t *testing.T) {
		r := try(t, "", "kubectl", "--name", c.name, "--", "exec", pods[0].name, "--", "nslookup", "headless.default.svc.cluster.local")
		for _, pod := range pods {
			if !strings.Contains(r.stdout, pod.ips[0]) {
				t.Errorf("no %s: %s", pod.ips[0], r)
			}
		}
	})
	t.Run("each node's part of the pod network is in its object", func(t *testing.T) {
		for i, node := range []string{"control-plane", "worker", "worker2"} {
			if got, want := c.kubectl(t, "get", "node", c.name+"-"+node, "-o", "jsonpath={.spec.podCIDR}"), fmt.Sprintf("10.244.%d.0/24", i); got != want {
				t.Errorf("%s has %s, want %s", node, got, want)
			}
		}
	})
	t.Run("network policies are enforced, and end with their objects", func(t *testing.T) { policies(t, c, pods) })
	t.Run("pods store files on a node", func(t *testing.T) { storeOnWorker(t, c) })
	t.Run("network policies hold from the first packet of a pod", func(t *testing.T) { firstPackets(t, c, pods) })
	t.Run("network policies hold without the program that enforces them", func(t *testing.T) { withoutProgram(t, c, pods) })
	t.Run("a node is deleted and its pods go elsewhere", func(t *testing.T) { deleteWorker(t, c) })
	t.Run("a volume of the deleted node goes with its claim", func(t *testing.T) { deleteLostClaim(t, c) })
	t.Run("Ctrl-C during add leaves the cluster as it was", func(t *testing.T) { interruptedAdd(t, c, "control-plane", "worker2") })
	t.Run("a node is added in its place", func(t *testing.T) { addWorker(t, c) })
	t.Run("a pod with volumes of the deleted node runs on the new one", func(t *testing.T) { runOnNewWorker(t, c) })
}

func deleteWorker(t *testing.T, c cluster) {
	c.apply(t, manifest(t, "web.yaml"), "apply", "-f", "-")
	c.kubectl(t, "rollout", "status", "deployment/web", "--timeout=180s")
	r := try(t, "", "delete", "node", "worker", "--name", c.name, "--progress", "plain")
	if r.code != 0 {
		t.Fatal(r)
	}
	wantLostVolumes(t, c, r.stderr)
	if out := c.kubectl(t, "get", "nodes", "--no-headers"); strings.Contains(out, c.name+"-worker ") || strings.Count(out, " Ready ") != 2 {
		t.Error(out)
	}
	if out := mkube(t, "get", "nodes", "--name", c.name); strings.Contains(out, c.name+"-worker\n") {
		t.Error(out)
	}
	c.kubectl(t, "rollout", "status", "deployment/web", "--timeout=180s")
}

func addWorker(t *testing.T, c cluster) {
	if out := mkube(t, "add", "node", "--name", c.name, "--label", "e2e.mkube.dev/new=yes"); out != c.name+"-worker\n" {
		t.Errorf("added %q", out)
	}
	if out := c.kubectl(t, "get", "nodes", "-l", "e2e.mkube.dev/new=yes", "--no-headers"); !strings.Contains(out, c.name+"-worker ") || !strings.Contains(out, " Ready ") {
		t.Error(out)
	}
	podsReachEachOther(t, c, everywhere(t, c))
}
