//go:build e2e

package e2e

import (
	"net/netip"
	"strconv"
	"strings"
	"testing"
)

// isolated is a policy that isolates the pods with the label role=isolated.
const isolated = `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: isolated}
spec:
  podSelector: {matchLabels: {role: isolated}}
  policyTypes: [Ingress, Egress]
`

// start creates a pod with a label role on a node. Without flags, it is a web server.
func (c cluster) start(t *testing.T, name, role, node string, flags ...string) {
	t.Helper()
	c.kubectl(t, append([]string{
		"run", name, "--image=" + webImage, "--image-pull-policy=Never", "--labels=role=" + role,
		"--overrides", `{"spec":{"nodeName":"` + node + `","terminationGracePeriodSeconds":0}}`,
	}, flags...)...)
}

// serve starts a web server, and returns its address when it is Ready.
func (c cluster) serve(t *testing.T, name, role, node string) string {
	t.Helper()
	c.start(t, name, role, node)
	c.kubectl(t, "wait", "--for=condition=Ready", "--timeout=180s", "pod/"+name)
	return c.kubectl(t, "get", "pod", name, "-o", "jsonpath={.status.podIP}")
}

// tries is a script that tries to reach web servers, and prints "out" for each answer.
func tries(times int, pods ...nodePod) string {
	script := "i=0; while [ $i -lt " + strconv.Itoa(times) + " ]; do i=$((i+1))\n"
	for _, pod := range pods {
		script += "curl --silent --max-time 0.3 http://" + host(pod.ips[0]) + " | grep -q Welcome && echo out\n"
	}
	return script + "done; echo end"
}

// leaves runs a pod that tries to reach web servers as soon as it runs, and reports whether it did.
func (c cluster) leaves(t *testing.T, name, role, node string, pods ...nodePod) bool {
	t.Helper()
	c.start(t, name, role, node, "--restart=Never", "--command", "--", "sh", "-c", tries(5, pods...))
	c.kubectl(t, "wait", "--for=jsonpath={.status.phase}=Succeeded", "--timeout=180s", "pod/"+name)
	out := c.kubectl(t, "logs", name)
	c.kubectl(t, "delete", "pod", name)
	if !strings.HasSuffix(out, "end\n") {
		t.Fatalf("pod %s printed %q", name, out)
	}
	return strings.Contains(out, "out")
}

// nextAddress returns the address that the next pod on a node gets: the CNI plugin gives addresses in
// turn.
func (c cluster) nextAddress(t *testing.T, node string) string {
	t.Helper()
	last := mkube(t, "exec", node, "--name", c.name, "--", "cat", "/run/cni-ipam/mkube/last_reserved_ip.0")
	ip, err := netip.ParseAddr(strings.TrimSpace(last))
	if err != nil {
		t.Fatal(err)
	}
	return ip.Next().String()
}

// entered starts a web server, while the pod watcher tries to reach its address. It reports whether
// watcher reached it.
func (c cluster) entered(t *testing.T, name, role, node string) bool {
	t.Helper()
	address := c.nextAddress(t, node)
	c.kubectl(t, "exec", "watcher", "--", "sh", "-c", `
until [ -e /tmp/`+name+`.stop ]; do
  curl --silent --max-time 0.2 http://`+host(address)+` | grep -q Welcome && echo in
  sleep 0.02
done >/tmp/`+name+` 2>&1 </dev/null &`)
	if got := c.serve(t, name, role, node); got != address {
		t.Fatalf("pod %s has the address %s, want %s", name, got, address)
	}
	out := c.kubectl(t, "exec", "watcher", "--", "sh", "-c", "sleep 1; echo >/tmp/"+name+".stop; cat /tmp/"+name)
	c.kubectl(t, "delete", "pod", name)
	return strings.Contains(out, "in")
}

// firstPackets checks that a policy holds from the first packets from and to a new pod.
func firstPackets(t *testing.T, c cluster, pods []nodePod) {
	c.apply(t, isolated, "apply", "-f", "-")
	defer c.kubectl(t, "delete", "networkpolicy", "isolated")
	node := pods[0].node
	c.serve(t, "watcher", "free", node)
	defer c.kubectl(t, "delete", "pod", "watcher")
	if c.leaves(t, "out-isolated", "isolated", node, pods[0], pods[1]) {
		t.Error("a new pod gets out, although a policy isolates it")
	}
	if !c.leaves(t, "out-free", "free", node, pods[0], pods[1]) {
		t.Error("a new pod that no policy selects does not get out")
	}
	if c.entered(t, "in-isolated", "isolated", node) {
		t.Error("a new pod is reached, although a policy isolates it")
	}
	if !c.entered(t, "in-free", "free", node) {
		t.Error("a new pod that no policy selects is not reached")
	}
}

// queued returns how many packets the rules of a node have queued.
func (c cluster) queued(t *testing.T, node string) int {
	t.Helper()
	sum := 0
	for _, chain := range []string{"FROM", "TO"} {
		out := mkube(t, "exec", node, "--name", c.name, "--", "iptables", "--table", "mangle", "--list", "MKUBE-POLICIES-"+chain, "--numeric", "--verbose", "--exact")
		for line := range strings.Lines(out) {
			if f := strings.Fields(line); len(f) > 2 && f[2] == "NFQUEUE" {
				n, err := strconv.Atoi(f[0])
				if err != nil {
					t.Fatal(err)
				}
				sum += n
			}
		}
	}
	return sum
}

// withoutProgram checks what policies do while the program that enforces them does not run, or hangs.
func withoutProgram(t *testing.T, c cluster, pods []nodePod) {
	node := pods[0].node
	systemctl := func(args ...string) {
		t.Helper()
		mkube(t, append([]string{"exec", node, "--name", c.name, "--", "systemctl"}, append(args, "kube-network-policies")...)...)
	}
	c.apply(t, isolated, "apply", "-f", "-")
	defer c.kubectl(t, "delete", "networkpolicy", "isolated")
	cell, free := c.serve(t, "cell", "isolated", node), c.serve(t, "free", "free", node)
	defer c.kubectl(t, "delete", "pod", "cell", "free")
	eventually(t, "the pod that no policy selects is exempt", func() (bool, string) {
		out := mkube(t, "exec", node, "--name", c.name, "--", "iptables", "--table", "mangle", "--list-rules", "MKUBE-POLICIES-TO")
		return strings.Contains(out, " "+free+"/") && !strings.Contains(out, " "+cell+"/"), out
	})
	t.Run("packets of a pod that no policy selects are not queued", func(t *testing.T) {
		before := c.queued(t, node)
		for range 3 {
			for from, to := range map[string]string{"free": pods[1].ips[0], pods[0].name: free, pods[1].name: free} {
				if ok, answer := c.fetch(t, from, "http://"+host(to)); !ok {
					t.Error(answer)
				}
			}
		}
		if after := c.queued(t, node); after != before {
			t.Errorf("%d packets were queued", after-before)
		}
		if ok, answer := c.fetch(t, "free", "http://"+host(cell)); ok || c.queued(t, node) == before {
			t.Errorf("a packet to an isolated pod is not queued: %s", answer)
		}
	})
	works := func(when string) {
		t.Helper()
		for _, try := range []struct {
			from, to string
			want     bool
		}{{"free", pods[1].ips[0], true}, {pods[1].name, free, true}, {pods[0].name, free, true}, {"cell", pods[1].ips[0], false}, {pods[1].name, cell, false}, {"free", cell, false}} {
			if ok, answer := c.fetch(t, try.from, "http://"+host(try.to)); ok != try.want {
				t.Errorf("%s, from %s to %s: %s", when, try.from, try.to, answer)
			}
		}
	}
	systemctl("stop")
	works("stopped")
	if c.leaves(t, "late", "free", node, pods[1]) {
		t.Error("a pod that is created while nobody knows its policies gets out")
	}
	systemctl("start")
	eventually(t, "a new pod gets out again", func() (bool, string) { return c.leaves(t, "later", "free", node, pods[1]), "" })
	systemctl("kill", "--signal=STOP")
	works("hanging")
	systemctl("kill", "--signal=CONT")
	works("running")
}

// leaving starts two pods that always try to reach a Service. A policy isolates one of them. It
// returns a check that this pod has not reached the Service since the node has restarted.
func leaving(t *testing.T, c cluster, service string) (check func(*testing.T)) {
	c.apply(t, isolated, "apply", "-f", "-")
	address := c.kubectl(t, "get", "service", service, "-o", "jsonpath={.spec.clusterIP}")
	script := "while :; do curl --silent --max-time 0.3 http://" + host(address) + " | grep -q Welcome && echo out || echo no; sleep 0.1; done"
	for _, role := range []string{"isolated", "free"} {
		c.start(t, role, role, c.name+"-control-plane", "--command", "--", "sh", "-c", script)
	}
	c.kubectl(t, "wait", "--for=condition=Ready", "--timeout=180s", "pod/isolated", "pod/free")
	return func(t *testing.T) {
		for role, what := range map[string]string{"free": "out", "isolated": "no"} {
			eventually(t, "pod "+role+" tries again", func() (bool, string) {
				restarts := c.kubectl(t, "get", "pod", role, "-o", "jsonpath={.status.containerStatuses[0].restartCount}")
				out := c.kubectl(t, "logs", role, "--tail=-1")
				return restarts == "1" && strings.Contains(out, what), restarts + " " + out
			})
		}
		if out := c.kubectl(t, "logs", "isolated", "--tail=-1"); strings.Contains(out, "out") {
			t.Errorf("a pod gets out while its node boots, although a policy isolates it:\n%s", out)
		}
		c.kubectl(t, "delete", "pod/isolated", "pod/free", "networkpolicy/isolated")
	}
}
