package state

import (
	"context"
	"net/netip"

	"github.com/mkube/mkube/pkg/cluster"
	"github.com/mkube/mkube/pkg/kubeconfig"
	"github.com/mkube/mkube/pkg/names"
	"github.com/mkube/mkube/pkg/provider"
)

// ContextName returns the name of a cluster in the user's kubeconfig.
func ContextName(cluster string) string { return "mkube-" + cluster }

// Entry returns an entry for a kubeconfig, with a new client certificate of the administrator. The
// server is the address that the host reaches, or, if internal is set, the address on the cluster's
// own network.
func Entry(ctx context.Context, c *cluster.Cluster, internal bool) (kubeconfig.Entry, error) {
	server, err := c.ExternalServer(ctx)
	if err != nil {
		return kubeconfig.Entry{}, err
	}
	if internal {
		server = cluster.External{URL: "https://" + netip.AddrPortFrom(cluster.Entrance(c.Nodes).IP(), names.APIServerPort).String()}
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

// Kubectl returns a command that runs the control plane's own kubectl as the administrator of the
// cluster. cmd sets everything but the arguments and the kubeconfig.
func Kubectl(cmd provider.Cmd, args ...string) provider.Cmd {
	cmd.Args = append([]string{"kubectl"}, args...)
	cmd.Env = append(cmd.Env, "KUBECONFIG="+names.AdminKubeconfig)
	return cmd
}
