//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/network"
)

func TestLoadBalancer(t *testing.T) {
	t.Parallel()
	c := create(t, "e2e-balancer", "")
	t.Run("its node is initialised as a cloud's", func(t *testing.T) {
		got := c.kubectl(t, "get", "nodes", "-o", `jsonpath={range .items[*]}{.spec.providerID} {.spec.taints} {.metadata.labels.topology\.kubernetes\.io/zone} {.metadata.labels.topology\.kubernetes\.io/region} {.metadata.labels.node\.kubernetes\.io/instance-type}{end}`)
		if want := "mkube://e2e-balancer/e2e-balancer-control-plane  e2e-balancer e2e-balancer mkube"; got != want {
			t.Errorf("provider ID, taints, zone, region and type are %q; want %q", got, want)
		}
	})
	loadWeb(t, c)
	c.apply(t, manifest(t, "web.yaml"), "apply", "-f", "-")
	c.kubectl(t, "rollout", "status", "deployment/web", "--timeout=180s")
	subnet := subnets(t, c)[0]
	asked := withLastByte(subnet.Addr(), 222)
	c.apply(t, strings.ReplaceAll(manifest(t, "balanced.yaml"), "ASKED", asked), "apply", "-f", "-")
	one, two, dns := c.address(t, "default", "one"), c.address(t, "default", "two"), c.address(t, "kube-system", "dns")
	t.Run("each Service has an address of its own, of the cluster's network", func(t *testing.T) {
		for _, a := range []string{one, two, dns} {
			if !subnet.Contains(netip.MustParseAddr(a)) {
				t.Errorf("%s is not in %s", a, subnet)
			}
		}
		if one == two || one == dns || two != asked {
			t.Errorf("the addresses are %s, %s (%s was asked for) and %s", one, two, asked, dns)
		}
	})
	t.Run("two Services answer the host on one port", func(t *testing.T) {
		for _, a := range []string{one, two} {
			eventually(t, a+" answers", func() (bool, string) { return visit(a) })
		}
	})
	t.Run("UDP and TCP answer the host", func(t *testing.T) {
		for _, protocol := range []string{"udp", "tcp"} {
			eventually(t, "the cluster's DNS answers by "+protocol, func() (bool, string) { return resolve(t, protocol, dns) })
		}
	})
	t.Run("pods and nodes reach the addresses", func(t *testing.T) {
		for _, a := range []string{one, two} {
			if out := c.kubectl(t, "exec", "deployment/web", "--", "curl", "--silent", "--show-error", "--max-time", "5", "http://"+a); !strings.Contains(out, "Welcome to nginx!") {
				t.Errorf("from a pod %s answers %q", a, out)
			}
			if r := c.sh(t, "curl --silent --show-error --max-time 5 http://"+a); !strings.Contains(r.stdout, "Welcome to nginx!") {
				t.Errorf("from the node %s: %s", a, r)
			}
		}
		if out := c.kubectl(t, "exec", "deployment/web", "--", "nslookup", "kubernetes.default.svc.cluster.local", dns); !strings.Contains(out, "10.96.0.1") {
			t.Errorf("a pod's lookup: %s", out)
		}
	})
	t.Run("a web server sees who asked", func(t *testing.T) { sourceIsKept(t, c, subnet, two) })
	t.Run("source ranges let in some and no others", func(t *testing.T) { sourceRanges(t, c, subnet, one) })
	t.Run("an address that cannot be had is told of, and the Service without one can be deleted", func(t *testing.T) { cannotBeHad(t, c) })
	t.Run("a Service that is deleted, or of another type, frees its address", func(t *testing.T) {
		c.kubectl(t, "delete", "service", "one", "--timeout=180s")
		c.kubectl(t, "patch", "service", "two", "-p", `{"spec":{"type":"ClusterIP"}}`)
		eventually(t, "the node lets go of both addresses", func() (bool, string) {
			r := c.sh(t, "ip -brief address show dev eth0")
			return !strings.Contains(r.stdout, one+"/") && !strings.Contains(r.stdout, two+"/") && strings.Contains(r.stdout, dns+"/"), r.String()
		})
		if ok, answer := visit(one); ok {
			t.Errorf("%s still answers: %s", one, answer)
		}
	})
	t.Run("addresses stay when the program starts anew", func(t *testing.T) { startsAnew(t, c, dns) })
}

func sourceIsKept(t *testing.T, c cluster, subnet netip.Prefix, address string) {
	gateway := subnet.Addr().Next().String()
	if ok, answer := visit(address); !ok {
		t.Fatal(answer)
	}
	eventually(t, "the log has the host's address", func() (bool, string) {
		out := c.kubectl(t, "logs", "--selector=app=web", "--tail=-1")
		return strings.Contains(out, gateway+" - - "), out
	})
}

func sourceRanges(t *testing.T, c cluster, subnet netip.Prefix, address string) {
	limit := func(ranges string) {
		c.kubectl(t, "patch", "service", "one", "-p", `{"spec":{"loadBalancerSourceRanges":[`+ranges+`]}}`)
	}
	limit(`"192.0.2.0/24"`)
	eventually(t, "the host is kept out", func() (bool, string) {
		ok, answer := visit(address)
		return !ok, answer
	})
	if ok, answer := visit(address); ok {
		t.Errorf("the host is let in again: %s", answer)
	}
	limit(`"192.0.2.0/24","` + subnet.Addr().Next().String() + `/32"`)
	eventually(t, "the host is let in", func() (bool, string) { return visit(address) })
}

func cannotBeHad(t *testing.T, c cluster) {
	c.kubectl(t, "create", "service", "loadbalancer", "odd", "--tcp=80")
	c.kubectl(t, "annotate", "service", "odd", "mkube.dev/load-balancer-ips=192.0.2.7")
	c.kubectl(t, "create", "service", "clusterip", "odder", "--tcp=80")
	c.kubectl(t, "patch", "service", "odder", "-p", `{"metadata":{"annotations":{"mkube.dev/load-balancer-ips":"192.0.2.7"}},"spec":{"type":"LoadBalancer"}}`)
	eventually(t, "an event says why", func() (bool, string) {
		out := c.kubectl(t, "get", "events", "--field-selector=involvedObject.name=odder,reason=SyncLoadBalancerFailed", "-o", "jsonpath={.items[*].message}")
		return strings.Contains(out, "the address 192.0.2.7 that is asked for is not one of "), out
	})
	c.kubectl(t, "delete", "service", "odd", "odder", "--timeout=180s")
}

func startsAnew(t *testing.T, c cluster, address string) {
	if r := c.sh(t, `crictl stop --timeout 0 $(crictl ps --quiet --name '^cloud-controller-manager$')`); r.code != 0 {
		t.Fatal(r)
	}
	everyPodReady(t, c)
	eventually(t, "the address answers", func() (bool, string) { return resolve(t, "udp", address) })
	if got := c.address(t, "kube-system", "dns"); got != address {
		t.Errorf("the address was %s and is %s", address, got)
	}
}

// visitor returns a client with a connection for each request, because new rules do not apply to
// existing connections.
func visitor(patience time.Duration) *http.Client {
	return &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
}

// visit requests the web page at an address, from the host.
func visit(address string) (ok bool, answer string) {
	response, err := visitor(2 * time.Second).Get("http://" + net.JoinHostPort(address, "80"))
	if err != nil {
		return false, err.Error()
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return err == nil && strings.Contains(string(body), "Welcome to nginx!"), fmt.Sprint(response.Status, string(body), err)
}

// answers reports whether an address answers within 300 ms.
func answers(address string) bool {
	response, err := visitor(300 * time.Millisecond).Get("http://" + address)
	if err != nil {
		return false
	}
	response.Body.Close()
	return true
}

func TestLoadBalancerOfBothFamilies(t *testing.T) {
	t.Parallel()
	c := create(t, "e2e-balancer6", "apiVersion: mkube.dev/v1alpha1\nkind: Cluster\nnetworking: {ipFamily: dual}\n")
	loadWeb(t, c)
	c.apply(t, manifest(t, "web.yaml"), "apply", "-f", "-")
	c.kubectl(t, "rollout", "status", "deployment/web", "--timeout=180s")
	for policy, families := range map[string]int{"SingleStack": 1, "RequireDualStack": 2} {
		name := strings.ToLower(policy)
		c.kubectl(t, "expose", "deployment", "web", "--name", name, "--type=LoadBalancer", "--port=80", `--overrides={"spec":{"ipFamilyPolicy":"`+policy+`"}}`)
		c.address(t, "default", name)
		all := strings.Fields(c.kubectl(t, "get", "service", name, "-o", "jsonpath={.status.loadBalancer.ingress[*].ip}"))
		if len(all) != families {
			t.Errorf("a Service that is %s has the addresses %q", policy, all)
		}
		for _, a := range all {
			eventually(t, a+" answers", func() (bool, string) { return visit(a) })
			if out := c.kubectl(t, "exec", "deployment/web", "--", "curl", "--silent", "--show-error", "--max-time", "5", "http://"+net.JoinHostPort(a, "80")); !strings.Contains(out, "Welcome to nginx!") {
				t.Errorf("from a pod %s answers %q", a, out)
			}
		}
	}
}

const noCloud = `
apiVersion: mkube.dev/v1alpha1
kind: Cluster
cloudControllerManager: false
nodes:
- role: control-plane
  name: e2e-brain
`

// TestNoCloudControllerManager creates a cluster without it, whose node has a custom name.
func TestNoCloudControllerManager(t *testing.T) {
	t.Parallel()
	c := create(t, "e2e-no-cloud", noCloud)
	if out := c.kubectl(t, "get", "pods", "-n", "kube-system", "-o", "name"); strings.Contains(out, "cloud-controller-manager") {
		t.Error(out)
	}
	if out := c.kubectl(t, "get", "nodes", "-o", "jsonpath={.items[*].spec.taints}{.items[*].spec.providerID}"); out != "" {
		t.Errorf("its node has taints or a provider ID: %s", out)
	}
	yourOwn(t, c)
}

// address waits until a Service has an address, and returns it.
func (c cluster) address(t *testing.T, namespace, service string) string {
	t.Helper()
	address := ""
	eventually(t, "Service "+service+" has an address", func() (bool, string) {
		address = c.kubectl(t, "get", "service", service, "-n", namespace, "-o", "jsonpath={.status.loadBalancer.ingress[0].ip}")
		return address != "", "it has none"
	})
	return address
}

// holders returns those of some nodes that have an address on their interface.
func (c cluster) holders(t *testing.T, address string, nodes ...string) []string {
	t.Helper()
	var holders []string
	for _, n := range nodes {
		r := try(t, "", "exec", n, "--", "ip", "-brief", "address", "show", "dev", "eth0")
		if r.code != 0 {
			t.Fatal(r)
		}
		if strings.Contains(r.stdout, " "+address+"/") {
			holders = append(holders, n)
		}
	}
	return holders
}

// subnets returns the subnets of a cluster's network.
func subnets(t *testing.T, c cluster) []netip.Prefix {
	t.Helper()
	found, err := daemon.NetworkInspect(t.Context(), "mkube-"+c.name, network.InspectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var list []netip.Prefix
	for _, ipam := range found.IPAM.Config {
		list = append(list, netip.MustParsePrefix(ipam.Subnet))
	}
	return list
}

func withLastByte(a netip.Addr, last byte) string {
	b := a.As4()
	b[3] = last
	return netip.AddrFrom4(b).String()
}

// resolve requests the API server's name from the DNS server at an address.
func resolve(t *testing.T, protocol, address string) (ok bool, answer string) {
	t.Helper()
	return resolveWithin(t, 3*time.Second, protocol, address)
}

// resolvesSoon reports whether the DNS server answers by UDP within 300 ms.
func resolvesSoon(t *testing.T, address string) bool {
	t.Helper()
	ok, _ := resolveWithin(t, 300*time.Millisecond, "udp", address)
	return ok
}

func resolveWithin(t *testing.T, limit time.Duration, protocol, address string) (ok bool, answer string) {
	t.Helper()
	resolver := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, protocol, net.JoinHostPort(address, "53"))
	}}
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	addresses, err := resolver.LookupHost(ctx, "kubernetes.default.svc.cluster.local.")
	return err == nil && slices.Contains(addresses, "10.96.0.1"), fmt.Sprint(addresses, err)
}
