package etcd

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mkube/mkube/pkg/provider"
)

// memberLimit is the maximum time for a change of etcd's members on one node. mkube-etcd itself waits
// up to 30 seconds until etcd accepts a member.
const memberLimit = 40 * time.Second

// AddMember announces a member to etcd, through one of the nodes that have a member. Announce it before
// it starts.
func AddMember(ctx context.Context, via []provider.Node, n provider.Node) error {
	if err := member(ctx, via, "add", peerURL(n)); err != nil {
		return fmt.Errorf("adding %s to etcd: %w", n.Name(), err)
	}
	return nil
}

// RemoveMember removes the member on a node from etcd, through one of the other members' nodes. It is no
// error if there is none.
func RemoveMember(ctx context.Context, via []provider.Node, n provider.Node) error {
	if err := member(ctx, via, "remove", peerURL(n)); err != nil {
		return fmt.Errorf("removing %s from etcd: %w", n.Name(), err)
	}
	return nil
}

// RemoveUnknown removes the members that are on none of these nodes from etcd: an add that was killed
// has announced them. They count for the quorum.
func RemoveUnknown(ctx context.Context, nodes []provider.Node) error {
	var known []string
	for _, n := range nodes {
		known = append(known, peerURL(n))
	}
	if err := member(ctx, nodes, append([]string{"keep"}, known...)...); err != nil {
		return fmt.Errorf("removing members without a node from etcd: %w", err)
	}
	return nil
}

// member runs mkube-etcd member on the first node on which it succeeds.
func member(ctx context.Context, via []provider.Node, args ...string) error {
	ctx, cancel := context.WithTimeout(ctx, memberLimit)
	defer cancel()
	var errs []error
	for _, n := range via {
		_, err := provider.Output(ctx, n, append([]string{"mkube-etcd", "member"}, args...)...)
		if err == nil {
			return nil
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
