package component

import (
	"github.com/mkube/mkube/pkg/cluster"
	"github.com/mkube/mkube/pkg/kubeconfig"
	"github.com/mkube/mkube/pkg/pki"
	"github.com/mkube/mkube/pkg/provider"
)

// Kubeconfig returns a component's kubeconfig on a node, with a new client certificate and the
// address of the API server that the node uses.
func Kubeconfig(c *cluster.Cluster, n provider.Node, path string, identity pki.Request) (provider.File, error) {
	identity.Usage = pki.Client
	pair, err := c.PKI.Issue(c.PKI.Cluster, identity)
	if err != nil {
		return provider.File{}, err
	}
	data, err := kubeconfig.Entry{
		Name: c.Config.Name, Server: c.Server(n), CA: c.PKI.Cluster.CertPEM(), ClientCert: pair.Cert, ClientKey: pair.Key,
	}.YAML()
	return provider.File{Path: path, Data: data, Mode: 0o600}, err
}

// Certificate returns the two files of a key pair: path.crt and path.key.
func Certificate(path string, pair pki.KeyPair) []provider.File {
	return []provider.File{
		{Path: path + ".crt", Data: pair.Cert},
		{Path: path + ".key", Data: pair.Key, Mode: 0o600},
	}
}
