package kubeproxy

import (
	"context"
	"net"

	"github.com/mkube/mkube/pkg/cluster"
	"github.com/mkube/mkube/pkg/component"
	"github.com/mkube/mkube/pkg/names"
	"github.com/mkube/mkube/pkg/provider"
)

// leads connects to the Service of the API server, which every cluster has, from every node.
func leads(ctx context.Context, c *cluster.Cluster) error {
	url := "https://" + net.JoinHostPort(c.Config.Networking.APIServerServiceIP().String(), "443") + "/livez"
	return component.Eventually(ctx, func() error {
		for _, n := range nodes(c) {
			_, err := provider.Output(ctx, n, "curl", "--silent", "--show-error", "--fail", "--max-time", "2", "--cacert", names.PKIDir+"/ca.crt", url)
			if err != nil {
				return err
			}
		}
		return nil
	})
}
