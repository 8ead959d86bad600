package bootstrap

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/mkube/mkube/pkg/cluster"
	"github.com/mkube/mkube/pkg/kubeconfig"
	"github.com/mkube/mkube/pkg/provider"
)

// AdminPath is the administrator's kubeconfig on every control plane.
const AdminPath = "/etc/kubernetes/admin.conf"

// AdminEntry is the administrator's entry for a cluster that is there, read from the
// first control plane that runs. Its server is the address that the host reaches, or, when
// internal, the one on the cluster's own network.
func AdminEntry(ctx context.Context, name string, nodes []provider.Node, internal bool) (kubeconfig.Entry, error) {
	n, err := ControlPlane(ctx, nodes)
	if err != nil {
		return kubeconfig.Entry{}, err
	}
	data, err := provider.Output(ctx, n, "cat", AdminPath)
	if err != nil {
		return kubeconfig.Entry{}, fmt.Errorf("reading the kubeconfig of cluster %q: %w", name, err)
	}
	entry, err := adminEntry(data)
	if err != nil {
		return kubeconfig.Entry{}, fmt.Errorf("reading %s on %s: %w", AdminPath, n.Name(), err)
	}
	n = cluster.Entrance(nodes)
	endpoint := netip.AddrPortFrom(n.IP(), cluster.APIServerPort).String()
	if !internal {
		if endpoint, err = n.Endpoint(ctx, cluster.APIServerPort); err != nil {
			return kubeconfig.Entry{}, err
		}
	}
	entry.Name, entry.Server = ContextName(name), "https://"+endpoint
	return entry, nil
}

// adminEntry is the keys of a kubeconfig with one cluster and one user, as mkube
// writes it.
func adminEntry(data []byte) (kubeconfig.Entry, error) {
	authorities, users, err := kubeconfig.Embedded(data)
	if err != nil {
		return kubeconfig.Entry{}, err
	}
	if len(authorities) != 1 || len(users) != 1 {
		return kubeconfig.Entry{}, fmt.Errorf("%d clusters and %d users instead of one each", len(authorities), len(users))
	}
	return kubeconfig.Entry{CA: authorities[0], ClientCert: users[0].Cert, ClientKey: users[0].Key}, nil
}
