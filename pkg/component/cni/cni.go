// Package cni is the pod network: how a pod gets its address.
package cni

import (
	"context"
	_ "embed"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/mkube/mkube/pkg/cluster"
	"github.com/mkube/mkube/pkg/component"
	"github.com/mkube/mkube/pkg/provider"
)

const name = "cni"

//go:embed conflist.json
var conflist string

//go:embed lesson.md
var lesson string

// New is the pod network on every node: a file that the container runtime reads, so
// that a node is Ready without waiting for a pod.
func New() component.Component {
	return component.Component{
		Name:   name,
		Needs:  []string{"kube-apiserver"},
		Short:  "gives every pod an address, and connects it",
		Lesson: lesson,
		Files:  files,
		Ready:  ready,
	}
}

func files(c *cluster.Cluster, n provider.Node) ([]provider.File, error) {
	if c.Config.Networking.DisableDefaultCNI {
		return nil, nil
	}
	subnet := c.PodCIDR(n)
	everywhere := "0.0.0.0/0"
	if subnet.Addr().Is6() {
		everywhere = "::/0"
	}
	data, err := component.Render(name, conflist, map[string]any{"Subnet": subnet.String(), "Everywhere": everywhere})
	return []provider.File{{Path: "/etc/cni/net.d/10-mkube.conflist", Data: data}}, err
}

// ready is the kubelet's own word: a node without a pod network is not Ready.
func ready(ctx context.Context, c *cluster.Cluster, n provider.Node) error {
	nodes, err := c.API.Resource(ctx, cluster.Nodes)
	if err != nil {
		return err
	}
	node, err := nodes.Get(ctx, n.Name(), metav1.GetOptions{})
	if err != nil {
		return err
	}
	if component.Condition(node, "Ready") != "True" {
		return fmt.Errorf("node %s is not Ready: %s", n.Name(), component.ConditionMessage(node, "Ready"))
	}
	return nil
}
