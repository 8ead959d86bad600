package state

import (
	"context"
	"fmt"
	"net/netip"

	"sigs.k8s.io/yaml"

	"github.com/mkube/mkube/pkg/cluster"
	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/kubeconfig"
	"github.com/mkube/mkube/pkg/names"
	"github.com/mkube/mkube/pkg/provider"
)

// AdminEntry returns the administrator's kubeconfig entry for an existing cluster. It reads the
// keys from the first control plane that runs. The server is the address that the host reaches,
// or, if internal is set, the address on the cluster's own network.
func AdminEntry(ctx context.Context, name string, nodes []provider.Node, internal bool) (kubeconfig.Entry, error) {
	n, err := ControlPlane(ctx, nodes)
	if err != nil {
		return kubeconfig.Entry{}, err
	}
	data, err := provider.Output(ctx, n, "cat", names.AdminKubeconfig)
	if err != nil {
		return kubeconfig.Entry{}, fmt.Errorf("reading the kubeconfig of cluster %q: %w", name, err)
	}
	entry, err := adminEntry(data)
	if err != nil {
		return kubeconfig.Entry{}, fmt.Errorf("reading %s on %s: %w", names.AdminKubeconfig, n.Name(), err)
	}
	entry.Name = ContextName(name)
	if internal {
		entry.Server = "https://" + netip.AddrPortFrom(cluster.Entrance(nodes).IP(), names.APIServerPort).String()
		return entry, nil
	}
	server, err := externalServer(ctx, n, cluster.Entrance(nodes))
	entry.Server, entry.TLSServerName = server.URL, server.TLSServerName
	return entry, err
}

// externalServer returns the API server as the host reaches it. It reads the configuration only if
// the certificate may lack the address. mkube's usual address is in every certificate.
func externalServer(ctx context.Context, controlPlane, entrance provider.Node) (cluster.External, error) {
	server, err := cluster.ExternalAt(ctx, entrance, config.Networking{})
	if err != nil || server.TLSServerName == "" {
		return server, err
	}
	cfg, err := configOn(ctx, controlPlane)
	if err != nil {
		return cluster.External{}, err
	}
	return cluster.ExternalAt(ctx, entrance, cfg.Networking)
}

// configOn returns the configuration of the cluster from a control plane.
func configOn(ctx context.Context, n provider.Node) (config.Cluster, error) {
	data, err := provider.Output(ctx, n, "cat", configPath)
	if err != nil {
		return config.Cluster{}, fmt.Errorf("reading the configuration on %s: %w", n.Name(), err)
	}
	var cfg config.Cluster
	if err := yaml.UnmarshalStrict(data, &cfg); err != nil {
		return config.Cluster{}, fmt.Errorf("reading %s on %s: %w", configPath, n.Name(), err)
	}
	return cfg, nil
}

// adminEntry returns the keys of a kubeconfig with one cluster and one user, which is what mkube
// writes.
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

// Kubectl returns a command that runs the control plane's own kubectl as the administrator of the
// cluster. cmd sets everything but the arguments and the kubeconfig.
func Kubectl(cmd provider.Cmd, args ...string) provider.Cmd {
	cmd.Args = append([]string{"kubectl"}, args...)
	cmd.Env = append(cmd.Env, "KUBECONFIG="+names.AdminKubeconfig)
	return cmd
}
