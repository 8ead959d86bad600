// Package loadbalancer runs HAProxy, which gives several API servers one address.
package loadbalancer

import (
	"context"
	_ "embed"
	"fmt"
	"net/netip"

	"github.com/mkube/mkube/pkg/cluster"
	"github.com/mkube/mkube/pkg/component"
	"github.com/mkube/mkube/pkg/names"
	"github.com/mkube/mkube/pkg/provider"
)

const (
	name = names.LoadBalancer
	// path is the configuration file that the node's haproxy.service requires. A node with this
	// file runs HAProxy, and no containers.
	path = "/etc/mkube/haproxy.cfg"
	// healthPort serves the health of HAProxy, to its own node only.
	healthPort = 8404
)

//go:embed haproxy.cfg
var configuration string

//go:embed lesson.md
var lesson string

// New returns HAProxy on the load balancer node, or on no node if the cluster has no load
// balancer.
func New() component.Component {
	return component.Component{
		About: component.About{
			Name:   name,
			Short:  "forwards to the API servers that are ready, on all control planes",
			Lesson: lesson,
			Ports: []component.Port{
				{Number: names.APIServerPort, Protocol: "TCP", For: "kubectl on the host, and the components of workers"},
				{Number: healthPort, Protocol: "TCP", For: "health, for the node itself"},
			},
			Effect: component.Effect{Claim: "the health check of HAProxy succeeds", Try: healthy},
		},
		Content: component.Content{
			On:    nodes,
			Files: files,
		},
		Lifecycle: component.Lifecycle{
			Unit:      "haproxy.service",
			AtBoot:    true,
			Neighbors: true,
			Start:     start,
			Ready:     ready,
		},
	}
}

func nodes(c *cluster.Cluster) []provider.Node {
	if lb := c.LoadBalancer(); lb != nil {
		return []provider.Node{lb}
	}
	return nil
}

type server struct{ Name, Address string }

// bind returns the address in HAProxy's configuration: all addresses of the families that the
// node has.
func bind(n provider.Node) string {
	if provider.IPOf(n, true).IsValid() {
		return fmt.Sprintf(":::%d v4v6", names.APIServerPort)
	}
	return fmt.Sprintf(":%d", names.APIServerPort)
}

func files(c *cluster.Cluster, n provider.Node) ([]provider.File, error) {
	var servers []server
	for _, n := range c.ControlPlanes() {
		servers = append(servers, server{n.Name(), netip.AddrPortFrom(n.IP(), names.APIServerPort).String()})
	}
	data, err := component.Render(name, configuration, map[string]any{
		"Bind": bind(n), "HealthPort": healthPort, "Servers": servers,
	})
	return []provider.File{{Path: path, Data: data}}, err
}

// start starts HAProxy, or makes a running HAProxy reload its configuration. A reload keeps open
// connections.
func start(ctx context.Context, _ *cluster.Cluster, n provider.Node) error {
	if _, err := provider.Output(ctx, n, "systemctl", "reload-or-restart", "haproxy.service"); err != nil {
		return fmt.Errorf("starting HAProxy: %w", err)
	}
	return nil
}

func ready(ctx context.Context, _ *cluster.Cluster, n provider.Node) error {
	return component.Probe(ctx, n, "http", healthPort, "/healthz")
}

func healthy(ctx context.Context, c *cluster.Cluster) error { return ready(ctx, c, c.LoadBalancer()) }
