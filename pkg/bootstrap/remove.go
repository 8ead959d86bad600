package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mkube/mkube/pkg/cluster"
	"github.com/mkube/mkube/pkg/component"
	"github.com/mkube/mkube/pkg/component/etcd"
	"github.com/mkube/mkube/pkg/component/storage"
	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/names"
	"github.com/mkube/mkube/pkg/provider"
	"github.com/mkube/mkube/pkg/state"
)

const stepDrain = "drain"

// RemoveOptions are the settings of RemoveNode.
type RemoveOptions struct {
	// Drain is the time limit to evict the node's pods. If 0, the node is not drained.
	Drain time.Duration
	Options
}

// RemoveNode drains a node, removes it from etcd and the API, and deletes it. The name may omit
// the prefix with the cluster's name. RemoveNode returns the full name.
//
// If there are volumes on the node, RemoveNode first passes a warning to o.Warn that names their
// claims. A node that does not run is not drained. If a pod cannot be evicted, RemoveNode returns an
// error, and the node stays in the cluster, cordoned. If the node does not exist any more,
// RemoveNode removes what the cluster still stores about it. While another command changes the
// cluster, the error is a *state.BusyError.
func RemoveNode(ctx context.Context, p provider.Provider, name, node string, o RemoveOptions) (string, error) {
	changer, err := changerOf(p)
	if err != nil {
		return "", err
	}
	release, err := state.Hold(ctx, p, name, "delete node")
	if err != nil {
		return "", err
	}
	defer release()
	c, err := state.Open(ctx, p, name)
	if err != nil {
		return "", err
	}
	node, err = wholeName(c, node)
	if err != nil {
		return "", err
	}
	for _, n := range c.Strays {
		if n.Name() == node {
			return node, removeStray(ctx, changer, c, n)
		}
	}
	gone := c.Node(node)
	if err := removable(c, node, gone != nil); err != nil {
		return "", err
	}
	if gone == nil {
		return node, forget(ctx, c, node, o.Options)
	}
	r := removal{changer: changer, c: c, gone: gone, o: o}
	r.rest = cluster.New(c.Config, slices.DeleteFunc(slices.Clone(c.Nodes), func(n provider.Node) bool { return n.Name() == node }), c.PKI)
	r.rest.Gone = c.Gone
	r.there = Built(c)
	return node, r.do(ctx)
}

// wholeName returns the full name of a node of the cluster, which may be joined, stray or gone.
func wholeName(c *cluster.Cluster, name string) (string, error) {
	var names []string
	for _, n := range slices.Concat(c.Nodes, c.Strays) {
		names = append(names, n.Name())
	}
	names = append(names, c.Gone...)
	for _, whole := range []string{name, c.Config.Name + "-" + name} {
		if slices.Contains(names, whole) {
			return whole, nil
		}
	}
	return "", fmt.Errorf("cluster %q has no node %q; its nodes are %s", c.Config.Name, name, strings.Join(names, ", "))
}

// forget removes a node that does not exist any more from etcd, the API, and the configuration of
// the other nodes. A killed RemoveNode leaves such a node, and so does a user of the engine who
// deletes one.
func forget(ctx context.Context, c *cluster.Cluster, node string, o Options) error {
	there := Built(c)
	c.Gone = slices.DeleteFunc(c.Gone, func(name string) bool { return name == node })
	return step(o, stepNeighbours, func() error {
		if slices.Contains(there.Names(), names.Etcd) {
			if err := etcd.RemoveUnknown(ctx, c.ControlPlanes()); err != nil {
				return err
			}
		}
		if slices.Contains(there.Names(), names.NodeRegistration) {
			if err := deregister(ctx, c, node); err != nil {
				return err
			}
		}
		// The name is removed last: until then, another attempt finds the node.
		return updateOtherNodes(ctx, c, there, "")
	})
}

// A removal is one run of RemoveNode.
type removal struct {
	changer provider.Changer
	// c is the cluster, rest is the cluster without the node, and there is the graph of its
	// components.
	c, rest *cluster.Cluster
	there   component.Graph
	gone    provider.Node
	o       RemoveOptions
}

func (r removal) do(ctx context.Context) error {
	o, node, there := r.o.Options, r.gone.Name(), r.there.Names()
	registered := slices.Contains(there, names.NodeRegistration)
	if registered {
		warnOfVolumes(ctx, r.c, node, o)
	}
	if _, err := provider.Output(ctx, r.gone, "true"); err == nil && r.o.Drain > 0 && registered {
		if err := step(o, stepDrain, func() error { return drain(ctx, r.rest, node, r.o.Drain) }); err != nil {
			return err
		}
	}
	if r.gone.Role() == config.ControlPlane && slices.Contains(there, names.Etcd) {
		if err := step(o, stepMember, func() error { return etcd.RemoveMember(ctx, r.rest.ControlPlanes(), r.gone) }); err != nil {
			return err
		}
	}
	err := step(o, stepNodes, func() error {
		err := r.changer.Remove(ctx, r.c.Config.Name, node)
		if registered {
			// The object is deleted after the node, because a running kubelet registers its node
			// again.
			err = errors.Join(err, deregister(ctx, r.rest, node))
		}
		return err
	})
	return errors.Join(err, step(o, stepNeighbours, func() error { return updateOtherNodes(ctx, r.rest, r.there, "") }))
}

// removable returns an error if the cluster cannot work without a node. exists reports whether the
// node still exists.
func removable(c *cluster.Cluster, node string, exists bool) error {
	switch role := state.RoleOf(c.Config, node); {
	case role == config.LoadBalancer && exists:
		return fmt.Errorf("%s is the load balancer of the cluster's API servers: without it, they would be unreachable", node)
	case role == config.LoadBalancer:
		return fmt.Errorf("%s was the load balancer of the cluster's API servers, which are unreachable without it: create the cluster again", node)
	case role == config.ControlPlane && exists && len(c.ControlPlanes()) == 1:
		return fmt.Errorf("%s is the only control plane: mkube delete cluster --name %s deletes the cluster", node, c.Config.Name)
	}
	return nil
}

// drain evicts the pods of a node. It runs kubectl, which implements all the rules, on a control
// plane that stays.
func drain(ctx context.Context, rest *cluster.Cluster, node string, limit time.Duration) error {
	via, err := state.ControlPlane(ctx, rest.Nodes)
	if err != nil {
		return err
	}
	var out strings.Builder
	cmd := state.Kubectl(provider.Cmd{Stderr: &out}, "drain", node, "--ignore-daemonsets", "--delete-emptydir-data", "--force", "--timeout", limit.String())
	if err := via.Run(ctx, cmd); err != nil {
		return fmt.Errorf("draining %s: %s; --drain 0 removes the node anyway", node, lastLine(out.String(), err))
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

// warnOfVolumes passes a warning to o.Warn if there are volumes on a node.
func warnOfVolumes(ctx context.Context, c *cluster.Cluster, node string, o Options) {
	if o.Warn == nil {
		return
	}
	volumes, err := storage.VolumesOn(ctx, c, node)
	if err != nil {
		o.Warn(err.Error())
		return
	}
	var lost []string
	for _, v := range volumes {
		switch {
		case v.Claim != "":
			lost = append(lost, "claim "+v.Claim)
		case !v.Released:
			lost = append(lost, "volume "+v.Name)
		}
	}
	slices.Sort(lost)
	if len(lost) > 0 {
		o.Warn(fmt.Sprintf("the volumes on node %s are lost with it: %s; a new node with this name gets empty volumes", node, strings.Join(lost, ", ")))
	}
}

// deregister deletes what the API stores about a node that does not exist any more.
func deregister(ctx context.Context, c *cluster.Cluster, node string) error {
	return errors.Join(deleteObject(ctx, c, node), storage.DeleteReleased(ctx, c, node))
}

// deleteObject deletes the API object of a node. It succeeds if there is none.
func deleteObject(ctx context.Context, c *cluster.Cluster, node string) error {
	if err := c.API.Delete(ctx, cluster.Nodes, node); err != nil {
		return fmt.Errorf("deleting the object of node %s: %w", node, err)
	}
	return nil
}
