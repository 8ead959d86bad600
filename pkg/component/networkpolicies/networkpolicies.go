// Package networkpolicies runs kube-network-policies, which enforces NetworkPolicies on a node.
package networkpolicies

import (
	"context"
	_ "embed"
	"fmt"

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
	// user is the subject of the role bindings in rbac.yaml.
	user       = "mkube:" + name
	healthPort = 10262
)

//go:embed rbac.yaml
var rbac []byte

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
			Flags:  func(_ *cluster.Cluster, n provider.Node) []component.Flag { return Flags(n) },
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
	args := component.Environment(component.Args(c.Config, name, Flags(n)))
	return []provider.File{{Path: flagsFile, Data: []byte("FLAGS=" + args + "\n")}}, nil
}

// Flags returns the flags of images/network-policies.
func Flags(n provider.Node) []component.Flag {
	return []component.Flag{
		{Name: "kubeconfig", Value: kubeconfig, Why: "This file has the address of the API server, from which the program reads policies, pods and namespaces."},
		{Name: "hostname-override", Value: n.Name(), Why: "The program enforces policies for the pods of this node only."},
		{Name: "healthz-bind-address", Value: fmt.Sprintf("127.0.0.1:%d", healthPort), Why: "Health is only available on the node itself."},
	}
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

// stop removes the rules that queue packets. Without the process, packets pass anyway, but
// without the rules the node is as it was before.
func stop(ctx context.Context, _ *cluster.Cluster, n provider.Node) error {
	const script = `for t in iptables ip6tables; do
  $t --wait --table mangle --delete FORWARD --jump "$1" 2>/dev/null || continue
  $t --wait --table mangle --flush "$1" && $t --wait --table mangle --delete-chain "$1"
done`
	if _, err := provider.Output(ctx, n, "sh", "-c", script, "sh", "MKUBE-POLICIES"); err != nil {
		return fmt.Errorf("removing the rules of %s: %w", name, err)
	}
	return nil
}

func ready(ctx context.Context, _ *cluster.Cluster, n provider.Node) error {
	return component.Probe(ctx, n, "http", healthPort, "/healthz")
}
