package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/mkube/mkube/pkg/cluster"
	"github.com/mkube/mkube/pkg/component"
	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/pki"
	"github.com/mkube/mkube/pkg/provider"
)

// stateDir is where nodes keep what is mkube's.
const stateDir = "/etc/mkube"

// configPath is where every control plane keeps the cluster's configuration, with all
// defaults. Its nodes are places: one whose node was deleted stays, and the next of
// its role takes it, so that no other's name, address or pods' network changes.
const configPath = stateDir + "/cluster.yaml"

// stagePath is where every control plane keeps the name of the last component that is
// up, if not all are.
const stagePath = "/etc/mkube/stage"

// configFile is the cluster's configuration as a file.
func configFile(cfg config.Cluster) (provider.File, error) {
	data, err := yaml.Marshal(cfg)
	return provider.File{Path: configPath, Data: data, Mode: 0o600}, err
}

// stateFiles are what a control plane knows of its cluster, whichever components are
// there: the configuration, the keys, the stage.
func stateFiles(c *cluster.Cluster) ([]provider.File, error) {
	config, err := configFile(c.Config)
	if err != nil {
		return nil, err
	}
	list := append(keyFiles(c.PKI), config)
	if c.Stage != "" {
		list = append(list, provider.File{Path: stagePath, Data: []byte(c.Stage + "\n")})
	}
	return list, nil
}

// Open is a cluster that exists: its configuration, keys and nodes, read from a
// control plane that runs. Where there is none of the name, the error is a
// *NotFoundError.
func Open(ctx context.Context, p provider.Provider, name string) (*cluster.Cluster, error) {
	nodes, err := Nodes(ctx, p, name)
	if err != nil {
		return nil, err
	}
	n, err := ControlPlane(ctx, nodes)
	if err != nil {
		return nil, err
	}
	files, err := provider.Archived(ctx, n, "tar", "-C", "/", "-cf", "-", strings.TrimPrefix(stateDir, "/"))
	if err != nil {
		return nil, fmt.Errorf("reading the configuration and keys of cluster %q on %s: %w", name, n.Name(), err)
	}
	var cfg config.Cluster
	if err := yaml.UnmarshalStrict(files[configPath], &cfg); err != nil {
		return nil, fmt.Errorf("reading %s on %s: %w", configPath, n.Name(), err)
	}
	keys, err := keysFrom(files)
	if err != nil {
		return nil, fmt.Errorf("reading the keys of cluster %q on %s: %w", name, n.Name(), err)
	}
	c := cluster.New(cfg, inOrder(cfg, nodes), keys)
	c.Stage = strings.TrimSpace(string(files[stagePath]))
	return c, nil
}

// inOrder sorts nodes by their places in a configuration.
func inOrder(cfg config.Cluster, nodes []provider.Node) []provider.Node {
	names := cfg.NodeNames()
	return slices.SortedFunc(slices.Values(nodes), func(a, b provider.Node) int {
		return slices.Index(names, a.Name()) - slices.Index(names, b.Name())
	})
}

// Where a control plane keeps the keys that a cluster begins with: apart from where
// Kubernetes has them, since components come and go, and certificates may be broken.
const (
	keyDir       = stateDir + "/pki"
	clusterCA    = keyDir + "/ca"
	etcdCA       = keyDir + "/etcd-ca"
	frontProxyCA = keyDir + "/front-proxy-ca"
	serviceKey   = keyDir + "/sa"
)

func keyFiles(keys *cluster.PKI) []provider.File {
	list := []provider.File{
		{Path: serviceKey + ".key", Data: keys.ServiceAccountKey, Mode: 0o600},
		{Path: serviceKey + ".pub", Data: keys.ServiceAccountPub},
	}
	for path, authority := range map[string]*pki.Authority{clusterCA: keys.Cluster, etcdCA: keys.Etcd, frontProxyCA: keys.FrontProxy} {
		list = append(list, component.Certificate(path, pki.KeyPair{Cert: authority.CertPEM(), Key: authority.KeyPEM()})...)
	}
	return list
}

func keysFrom(files map[string][]byte) (*cluster.PKI, error) {
	keys := &cluster.PKI{ServiceAccountKey: files[serviceKey+".key"], ServiceAccountPub: files[serviceKey+".pub"]}
	var errs []error
	for path, into := range map[string]**pki.Authority{clusterCA: &keys.Cluster, etcdCA: &keys.Etcd, frontProxyCA: &keys.FrontProxy} {
		authority, err := pki.ParseAuthority(files[path+".crt"], files[path+".key"])
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", path, err))
		}
		*into = authority
	}
	return keys, errors.Join(errs...)
}
