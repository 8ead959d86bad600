package etcd

import (
	"context"

	"github.com/mkube/mkube/pkg/cluster"
	"github.com/mkube/mkube/pkg/provider"
)

// remembers stores a value in etcd, reads it, and deletes it.
func remembers(ctx context.Context, c *cluster.Cluster) error {
	_, err := provider.Output(ctx, c.ControlPlanes()[0], "mkube-etcd", "check")
	return err
}
