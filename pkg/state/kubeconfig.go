package state

import (
	"context"

	"github.com/mkube/mkube/pkg/cluster"
	"github.com/mkube/mkube/pkg/kubeconfig"
)

// ContextName returns the name of a cluster in the user's kubeconfig.
func ContextName(cluster string) string { return "mkube-" + cluster }

// Entry returns the administrator's entry for the kubeconfig of the host.
func Entry(ctx context.Context, c *cluster.Cluster) (kubeconfig.Entry, error) {
	server, err := c.ExternalServer(ctx)
	if err != nil {
		return kubeconfig.Entry{}, err
	}
	admin, err := c.PKI.Admin()
	if err != nil {
		return kubeconfig.Entry{}, err
	}
	return kubeconfig.Entry{
		Name: ContextName(c.Config.Name), Server: server.URL, TLSServerName: server.TLSServerName,
		CA: c.PKI.Cluster.CertPEM(), ClientCert: admin.Cert, ClientKey: admin.Key,
	}, nil
}
