// Package kubeproxy runs kube-proxy, which makes Services work on a node.
package kubeproxy

import (
	"context"
	_ "embed"
	"fmt"

	"github.com/mkube/mkube/pkg/cluster"
	"github.com/mkube/mkube/pkg/component"
	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/names"
	"github.com/mkube/mkube/pkg/pki"
	"github.com/mkube/mkube/pkg/provider"
)

const (
	name       = names.KubeProxy
	kubeconfig = "/etc/kubernetes/kube-proxy.conf"
	settings   = "/etc/kubernetes/kube-proxy.yaml"
)

//go:embed manifest.yaml
var manifest string

//go:embed config.yaml
var configuration string

//go:embed lesson.md
var lesson string

// New returns kube-proxy. It is a static pod on every node, so that Services work there before
// any controller or scheduler runs.
func New() component.Component {
	return component.Component{
		About: component.About{
			Name:   name,
			Short:  "forwards the addresses of Services to pods, on every node",
			Lesson: lesson,
			Flags:  func(_ *cluster.Cluster, n provider.Node) []component.Flag { return Flags(n) },
			Ports: []component.Port{
				{Number: 10249, Protocol: "TCP", For: "metrics, for the node itself"},
				{Number: 10256, Protocol: "TCP", For: "health, for load balancers and the kubelet's probes"},
			},
			Effect: component.Effect{Claim: "a connection to a Service reaches its pods", Try: leads},
		},
		Content: component.Content{
			On:       nodes,
			Files:    files,
			Manifest: staticPod,
		},
		Lifecycle: component.Lifecycle{
			// It is needed once the first Service has a pod. If it started earlier, it would
			// compete with the components that create that pod.
			DependsOn: []component.Dependency{
				{Name: names.KubeAPIServer, Until: component.UntilReady},
			},
			Stop:  stop,
			Ready: component.Healthy(name, "http", 10256, "/healthz"),
		},
	}
}

// stop removes the rules, which outlive the process.
func stop(ctx context.Context, _ *cluster.Cluster, n provider.Node) error {
	if _, err := provider.Output(ctx, n, name, "--cleanup"); err != nil {
		return fmt.Errorf("removing the rules of kube-proxy: %w", err)
	}
	return nil
}

func nodes(c *cluster.Cluster) []provider.Node {
	if c.Config.Networking.KubeProxyMode == config.ProxyNone {
		return nil
	}
	return c.KubernetesNodes()
}

func files(c *cluster.Cluster, n provider.Node) ([]provider.File, error) {
	client, err := component.Kubeconfig(c, n, kubeconfig, pki.Request{CommonName: "system:kube-proxy"})
	if err != nil {
		return nil, err
	}
	data, err := component.Render(name, configuration, map[string]any{
		"Kubeconfig": kubeconfig, "Mode": c.Config.Networking.KubeProxyMode, "Node": n.Name(),
		"PodSubnet": c.Config.Networking.PodSubnet, "FeatureGates": c.Config.FeatureGates,
	})
	if err != nil {
		return nil, err
	}
	data, err = component.Patched(data, "kubeProxyConfigPatches", c.Config.KubeProxyConfigPatches, c.Config.KubeProxySettings())
	return []provider.File{client, {Path: settings, Data: data, Mode: 0o600}}, err
}

// Flags returns the flags of kube-proxy. See
// https://kubernetes.io/docs/reference/command-line-tools-reference/kube-proxy/.
func Flags(n provider.Node) []component.Flag {
	return []component.Flag{
		{Name: "config", Value: settings, Why: "All other settings are in this file."},
		{Name: "hostname-override", Value: n.Name(), Why: "The endpoints of this node are the local ones."},
	}
}

func staticPod(c *cluster.Cluster, n provider.Node) (provider.File, error) {
	cfg := component.WithArgs(c.Config, name, config.KubeProxyArg) // the others are in the file
	return component.StaticPod(c, n, name, manifest, map[string]any{
		"Image":      component.Registry + name + ":" + n.Versions().Kubernetes,
		"Command":    append([]string{name}, component.Args(cfg, name, Flags(n))...),
		"Kubeconfig": kubeconfig, "Settings": settings,
	})
}
