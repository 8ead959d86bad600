// Package bootstrap creates, changes, stops, starts and deletes clusters.
package bootstrap

import (
	"slices"

	"github.com/mkube/mkube/pkg/cluster"
	"github.com/mkube/mkube/pkg/component"
	"github.com/mkube/mkube/pkg/component/apiserver"
	"github.com/mkube/mkube/pkg/component/cloudcontroller"
	"github.com/mkube/mkube/pkg/component/cni"
	"github.com/mkube/mkube/pkg/component/containerd"
	"github.com/mkube/mkube/pkg/component/controllermanager"
	"github.com/mkube/mkube/pkg/component/coredns"
	"github.com/mkube/mkube/pkg/component/etcd"
	"github.com/mkube/mkube/pkg/component/kubelet"
	"github.com/mkube/mkube/pkg/component/kubeproxy"
	"github.com/mkube/mkube/pkg/component/loadbalancer"
	"github.com/mkube/mkube/pkg/component/metricsserver"
	"github.com/mkube/mkube/pkg/component/networkpolicies"
	"github.com/mkube/mkube/pkg/component/scheduler"
	"github.com/mkube/mkube/pkg/component/storage"
	"github.com/mkube/mkube/pkg/config"
)

// Components returns all components of a cluster with a configuration. They are in the order in
// which a cluster is built: from the container runtime up to DNS names and volumes, and then the
// addons.
func Components(cfg config.Cluster) component.Graph {
	g := component.Graph{containerd.New()}
	if !cfg.Networking.DisableDefaultCNI {
		g = append(g, cni.New())
	}
	g = append(g, kubelet.New())
	if cfg.Count(config.LoadBalancer) > 0 {
		g = append(g, loadbalancer.New())
	}
	g = append(g,
		etcd.New(),
		apiserver.New(),
		kubelet.Registration(),
		controllermanager.New(),
		scheduler.New(),
	)
	if !cfg.Networking.DisableDefaultCNI {
		g = append(g, networkpolicies.New())
	}
	if cfg.Networking.KubeProxyMode != config.ProxyNone {
		g = append(g, kubeproxy.New())
	}
	if cfg.HasCloudControllerManager() {
		g = append(g, cloudcontroller.New(kubelet.CloudFile))
	}
	g = append(g, coredns.New(), storage.New())
	return append(g, addons(cfg)...)
}

// addons returns the components that a configuration lists by name.
func addons(cfg config.Cluster) component.Graph {
	all := component.Graph{metricsserver.New()}
	return slices.DeleteFunc(all, func(c component.Component) bool { return !slices.Contains(cfg.Addons, c.Name) })
}

// graphUntil returns the components of a cluster up to and including a stage. If the stage is
// empty or unknown, it returns all of them: Create has refused an unknown one.
func graphUntil(stage string, cfg config.Cluster) component.Graph {
	all := Components(cfg)
	if g, err := all.Until(stage); err == nil {
		return g
	}
	return all
}

// Built returns the components that a cluster has at its stage.
func Built(c *cluster.Cluster) component.Graph { return graphUntil(c.Stage, c.Config) }
