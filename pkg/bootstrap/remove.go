package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/mkube/mkube/pkg/cluster"
	"github.com/mkube/mkube/pkg/component/etcd"
	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/provider"
)

const stepDrain = "drain"

// RemoveOptions are how a node is deleted.
type RemoveOptions struct {
	// Drain is how long the node's pods may take to go elsewhere. 0 means not to ask
	// them.
	Drain time.Duration
	Options
}

// RemoveNode drains a node, takes it out of etcd and the API, and removes it. A node
// that does not run is not drained. A pod that may not be evicted is an error, and
// the node then stays, cordoned.
func RemoveNode(ctx context.Context, p provider.Provider, name string, node string, o RemoveOptions) error {
	changer, err := changerOf(p)
	if err != nil {
		return err
	}
	c, err := Open(ctx, p, name)
	if err != nil {
		return err
	}
	gone := c.Node(node)
	if gone == nil {
		return fmt.Errorf("cluster %q has no node %q", name, node)
	}
	if err := removable(c, gone); err != nil {
		return err
	}
	rest := cluster.New(c.Config, slices.DeleteFunc(slices.Clone(c.Nodes), func(n provider.Node) bool { return n.Name() == node }), c.PKI)
	there := built(c.Stage, c.Config).Names()
	registered := slices.Contains(there, "node-registration")
	if _, err := provider.Output(ctx, gone, "true"); err == nil && o.Drain > 0 && registered {
		if err := step(o.Options, stepDrain, func() error { return drain(ctx, rest, node, o.Drain) }); err != nil {
			return err
		}
	}
	if gone.Role() == config.ControlPlane && slices.Contains(there, "etcd") {
		if err := step(o.Options, stepMember, func() error { return etcd.RemoveMember(ctx, rest.ControlPlanes(), gone) }); err != nil {
			return err
		}
	}
	err = step(o.Options, stepNodes, func() error {
		var err error
		if registered {
			err = deleteObject(ctx, rest, node)
		}
		return errors.Join(err, changer.Remove(ctx, name, node))
	})
	return errors.Join(err, step(o.Options, stepNeighbours, func() error { return tellNeighbours(ctx, rest, built(c.Stage, rest.Config), "") }))
}

// removable says why a cluster cannot be without a node.
func removable(c *cluster.Cluster, n provider.Node) error {
	switch {
	case n.Role() == config.LoadBalancer:
		return fmt.Errorf("%s leads to the cluster's API servers: without it nobody would find them", n.Name())
	case n.Role() == config.ControlPlane && len(c.ControlPlanes()) == 1:
		return fmt.Errorf("%s is the only control plane: mkube delete cluster --name %s deletes all of it", n.Name(), c.Config.Name)
	}
	return nil
}

// drain evicts a node's pods by kubectl, which knows all the rules, on a control plane
// that stays.
func drain(ctx context.Context, rest *cluster.Cluster, node string, limit time.Duration) error {
	via, err := ControlPlane(ctx, rest.Nodes)
	if err != nil {
		return err
	}
	var out strings.Builder
	cmd := Kubectl(provider.Cmd{Stderr: &out}, "drain", node, "--ignore-daemonsets", "--delete-emptydir-data", "--force", "--timeout", limit.String())
	if err := via.Run(ctx, cmd); err != nil {
		return fmt.Errorf("draining %s: %s; --drain 0 takes it away all the same", node, lastLine(out.String(), err))
	}
	return nil
}

func lastLine(s string, err error) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	if last := lines[len(lines)-1]; last != "" {
		return last
	}
	return err.Error()
}

// deleteObject deletes a node's object. None is no error.
func deleteObject(ctx context.Context, c *cluster.Cluster, node string) error {
	nodes, err := c.API.Resource(ctx, cluster.Nodes)
	if err != nil {
		return err
	}
	if err := nodes.Delete(ctx, node, metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("deleting the object of node %s: %w", node, err)
	}
	return nil
}
