// Package coredns runs CoreDNS, the DNS server of the cluster.
package coredns

import (
	"context"
	_ "embed"
	"fmt"

	"github.com/mkube/mkube/pkg/cluster"
	"github.com/mkube/mkube/pkg/component"
	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/names"
	"github.com/mkube/mkube/pkg/provider"
)

const name = names.CoreDNS

//go:embed manifest.yaml
var manifest string

//go:embed lesson.md
var lesson string

// New returns CoreDNS: a Deployment, as any user could create it. It belongs to the first
// control plane, which creates it once for the whole cluster.
func New() component.Component {
	return component.Component{
		About: component.About{
			Name:   name,
			Short:  "resolves the names of Services and pods",
			Lesson: lesson,
			Ports: []component.Port{
				{Number: 53, Protocol: "TCP, UDP", For: "pods, through the Service kube-dns (all four are ports of the pod)"},
				{Number: 8080, Protocol: "TCP", For: "health, for the kubelet's probe"},
				{Number: 8181, Protocol: "TCP", For: "readiness, for the kubelet's probe"},
				{Number: 9153, Protocol: "TCP", For: "metrics, for programs that collect them"},
			},
			Effect: component.Effect{Claim: "the name of a Service resolves", Try: resolves},
		},
		Content: component.Content{
			On:      func(c *cluster.Cluster) []provider.Node { return c.ControlPlanes()[:1] },
			Objects: Objects,
		},
		Lifecycle: component.Lifecycle{
			// Before the API server is ready, the namespace and the range of Service addresses
			// may be missing.
			DependsOn: []component.Dependency{
				{Name: names.KubeAPIServer, Until: component.UntilReady},
				{Name: names.KubeControllerManager, Until: component.BeforeReady},
				{Name: names.KubeScheduler, Until: component.BeforeReady},
				{Name: names.NodeRegistration, Until: component.BeforeReady},
				{Name: names.KubeProxy, Until: component.BeforeReady},
			},
			Ready: ready,
		},
	}
}

// Objects returns the objects of CoreDNS, as YAML documents.
func Objects(c *cluster.Cluster) ([]byte, error) {
	replicas := 1
	if len(c.KubernetesNodes()) > 1 {
		replicas = 2
	}
	return component.Render(name, manifest, map[string]any{
		"Image":     component.Registry + "coredns/coredns:" + c.ControlPlanes()[0].Versions().CoreDNS,
		"Args":      append([]string{"-conf", "/etc/coredns/Corefile"}, component.Args(c.Config, name, nil)...),
		"Replicas":  replicas,
		"Server":    c.ServerOfPods(),
		"Domain":    c.Config.Networking.DNSDomain,
		"ClusterIP": c.Config.Networking.DNSServiceIP().String(),
	})
}

// ready checks that every pod of the Deployment is Ready, and that the node resolves a name
// through the Service, over the network that pods use.
func ready(ctx context.Context, c *cluster.Cluster, n provider.Node) error {
	if err := component.DeploymentReady(ctx, c, "kube-system", name); err != nil {
		return err
	}
	if c.Config.Networking.KubeProxyMode == config.ProxyNone {
		return nil // without kube-proxy, no Service has an answer, as configured
	}
	return resolve(ctx, c, n)
}

// resolve queries the DNS Service for the name of the API server.
func resolve(ctx context.Context, c *cluster.Cluster, n provider.Node) error {
	host := "kubernetes.default.svc." + c.Config.Networking.DNSDomain
	server := c.Config.Networking.DNSServiceIP().String()
	if err := n.Run(ctx, provider.Cmd{Args: []string{"mkube-resolve", server, host}}); err != nil {
		return fmt.Errorf("querying %s for %s: %w", server, host, err)
	}
	return nil
}

func resolves(ctx context.Context, c *cluster.Cluster) error {
	return component.Eventually(ctx, func() error { return resolve(ctx, c, c.ControlPlanes()[0]) })
}
