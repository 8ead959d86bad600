// Package networkpolicies runs kube-network-policies, which enforces NetworkPolicies on a node.
package networkpolicies

import (
	"context"
	_ "embed"
	"fmt"
	"net/netip"
	"strings"

	"github.com/mkube/mkube/pkg/cluster"
	"github.com/mkube/mkube/pkg/component"
	"github.com/mkube/mkube/pkg/names"
	"github.com/mkube/mkube/pkg/pki"
	"github.com/mkube/mkube/pkg/provider"
)

const (
	name = names.KubeNetworkPolicies
	unit = name + ".service"
	// kubeconfig is also the file that starts the unit. See Content.Manifest in pkg/component.
	kubeconfig = "/etc/kubernetes/" + name + ".conf"
	flagsFile  = "/etc/mkube/" + name + ".env"
	// bootRules is a folder with a file for each program that loads rules at boot. See
	// node-image/rootfs/usr/local/bin/mkube-pod-network.
	bootRules = "/etc/mkube/network-policies"
	// user is the subject of the role bindings in rbac.yaml.
	user       = "mkube:" + name
	healthPort = 10262
)

//go:embed rbac.yaml
var rbac []byte

// boot has the rules of a node from its boot until the program has read the policies. Nobody listens on
// the queue at first, so the kernel drops the first packets of connections from and to pods.
//
//go:embed boot.rules
var boot string

//go:embed lesson.md
var lesson string

// New returns a systemd service on every node. It is not a pod, because it decides what pods may
// do.
func New() component.Component {
	return component.Component{
		About: component.About{
			Name:   name,
			Short:  "drops packets that NetworkPolicies do not allow",
			Lesson: lesson,
			Flags:  Flags,
			Ports:  []component.Port{{Number: healthPort, Protocol: "TCP", For: "health, for the node itself"}},
			Effect: component.Effect{Claim: "a NetworkPolicy keeps a client from a pod", Try: keepsOut},
		},
		Content: component.Content{
			Files:    files,
			Objects:  func(*cluster.Cluster) ([]byte, error) { return rbac, nil },
			Manifest: manifest,
		},
		Lifecycle: component.Lifecycle{
			DependsOn: []component.Dependency{
				{Name: names.KubeAPIServer, Until: component.UntilReady},
			},
			Unit:  unit,
			Start: start,
			Stop:  stop,
			Ready: ready,
		},
	}
}

func files(c *cluster.Cluster, n provider.Node) ([]provider.File, error) {
	args := component.Environment(component.Args(c.Config, name, Flags(c, n)))
	list := []provider.File{{Path: flagsFile, Data: []byte("FLAGS=" + args + "\n")}}
	for _, family := range []struct {
		program string
		ipv6    bool
	}{{"iptables", false}, {"ip6tables", true}} {
		var cidrs []netip.Prefix
		for _, cidr := range c.PodCIDRs(n) {
			if cidr.Addr().Is6() == family.ipv6 {
				cidrs = append(cidrs, cidr)
			}
		}
		rules, err := component.Render(name, boot, map[string]any{"IPv6": family.ipv6, "CIDRs": cidrs})
		if err != nil {
			return nil, err
		}
		list = append(list, provider.File{Path: bootRules + "/" + family.program, Data: rules})
	}
	return list, nil
}

// Flags returns the flags of images/network-policies.
func Flags(c *cluster.Cluster, n provider.Node) []component.Flag {
	return []component.Flag{
		{Name: "kubeconfig", Value: kubeconfig, Why: "This file has the address of the API server, from which the program reads policies, pods and namespaces."},
		{Name: "hostname-override", Value: n.Name(), Why: "The program enforces policies for the pods of this node only."},
		{Name: "pod-cidr", Value: join(c.PodCIDRs(n)), Why: "The program finds the pods with these addresses in files of this node, because the API server learns an address only after the pod has it."},
		{Name: "cluster-cidr", Value: join(c.Config.Networking.PodSubnets()), Why: "An address outside of this range is not a pod. If an address inside is unknown, the program waits until it knows the pod."},
		{Name: "healthz-bind-address", Value: fmt.Sprintf("127.0.0.1:%d", healthPort), Why: "Health is only available on the node itself."},
	}
}

func join(cidrs []netip.Prefix) string {
	var list []string
	for _, cidr := range cidrs {
		list = append(list, cidr.String())
	}
	return strings.Join(list, ",")
}

func manifest(c *cluster.Cluster, n provider.Node) (provider.File, error) {
	return component.Kubeconfig(c, n, kubeconfig, pki.Request{CommonName: user})
}

func start(ctx context.Context, _ *cluster.Cluster, n provider.Node) error {
	if _, err := provider.Output(ctx, n, "systemctl", "start", unit); err != nil {
		return fmt.Errorf("starting %s: %w", name, err)
	}
	return nil
}

// stop removes the rules that queue packets. Without the process, the kernel drops these packets.
func stop(ctx context.Context, _ *cluster.Cluster, n provider.Node) error {
	const script = `for t in iptables ip6tables; do
  $t --wait --table mangle --delete FORWARD --jump "$1" 2>/dev/null || continue
  for line in "*mangle" ":$1 - [0:0]" ":$1-FROM - [0:0]" ":$1-TO - [0:0]" "-X $1" "-X $1-FROM" "-X $1-TO" COMMIT; do
    echo "$line"
  done | $t-restore --wait --noflush
done`
	if _, err := provider.Output(ctx, n, "sh", "-c", script, "sh", "MKUBE-POLICIES"); err != nil {
		return fmt.Errorf("removing the rules of %s: %w", name, err)
	}
	return nil
}

func ready(ctx context.Context, _ *cluster.Cluster, n provider.Node) error {
	return component.Probe(ctx, n, "http", healthPort, "/healthz")
}
