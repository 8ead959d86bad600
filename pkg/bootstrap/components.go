// Package bootstrap is how a cluster comes up and goes away: the story on one page.
package bootstrap

import (
	"github.com/mkube/mkube/pkg/component"
	"github.com/mkube/mkube/pkg/component/apiserver"
	"github.com/mkube/mkube/pkg/component/cni"
	"github.com/mkube/mkube/pkg/component/containerd"
	"github.com/mkube/mkube/pkg/component/controllermanager"
	"github.com/mkube/mkube/pkg/component/coredns"
	"github.com/mkube/mkube/pkg/component/etcd"
	"github.com/mkube/mkube/pkg/component/kubelet"
	"github.com/mkube/mkube/pkg/component/kubeproxy"
	"github.com/mkube/mkube/pkg/component/scheduler"
	"github.com/mkube/mkube/pkg/config"
)

// Components are the parts of a cluster in the order of the story: from the
// container runtime alone up to names that resolve.
func Components(cfg config.Cluster) component.Graph {
	g := component.Graph{
		containerd.New(),
		kubelet.New(),
		etcd.New(),
		apiserver.New(),
		controllermanager.New(),
		scheduler.New(),
	}
	if !cfg.Networking.DisableDefaultCNI {
		g = append(g, cni.New())
	}
	if cfg.Networking.KubeProxyMode != config.ProxyNone {
		g = append(g, kubeproxy.New())
	}
	return append(g, coredns.New())
}
