// Package state reads and writes what a cluster keeps on its nodes: the configuration, the keys,
// the members, the stage, notes, and the lock that commands take to change the cluster.
package state

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/mkube/mkube/pkg/cluster"
	"github.com/mkube/mkube/pkg/component"
	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/names"
	"github.com/mkube/mkube/pkg/pki"
	"github.com/mkube/mkube/pkg/provider"
)

// stateDir is the folder with mkube's own files on a node.
const stateDir = names.StateDir

// configPath is the file on every control plane with the configuration of the cluster, with all
// defaults. An entry of its list of nodes is a place. When a node is deleted, its place stays, and
// the next node of its role takes it. So the names, addresses and pod networks of the other nodes
// never change.
const configPath = stateDir + "/cluster.yaml"

// stagePath is the file on every control plane with the name of the last component that is up. It
// is missing if all components are up.
const stagePath = stateDir + "/stage"

// membersPath is the file on every control plane with the names of the nodes that have joined the
// cluster, one per line. The configuration does not show that: a place in it may be free, or taken
// by a node whose add was killed.
const membersPath = stateDir + "/nodes"

// ConfigFiles returns the files with the configuration of a cluster and with the names of its
// nodes. A node that is being added is not listed until all its components are ready, see
// Cluster.Joining.
func ConfigFiles(c *cluster.Cluster) ([]provider.File, error) {
	data, err := yaml.Marshal(c.Config)
	var names strings.Builder
	for _, n := range c.Nodes {
		if n.Name() != c.Joining {
			names.WriteString(n.Name() + "\n")
		}
	}
	for _, name := range c.Gone { // until delete node removes what is left of it
		names.WriteString(name + "\n")
	}
	return []provider.File{{Path: configPath, Data: data, Mode: 0o600}, {Path: membersPath, Data: []byte(names.String())}}, err
}

// Files returns the files of a control plane about its cluster, which do not depend on its
// components: the configuration, the keys and the stage.
func Files(c *cluster.Cluster) ([]provider.File, error) {
	list, err := ConfigFiles(c)
	if err != nil {
		return nil, err
	}
	list = append(list, keyFiles(c.PKI)...)
	if c.Stage != "" {
		list = append(list, provider.File{Path: stagePath, Data: []byte(c.Stage + "\n")})
	}
	return list, nil
}

// openLimit is the time limit for a control plane to send its files. An emulated machine that
// boots other machines at the same time takes some seconds.
const openLimit = time.Minute

// Open returns an existing cluster with its configuration, keys and nodes, which it reads from a
// control plane that runs. If the cluster does not exist, the error is a *NotFoundError. Nodes
// that have not joined the cluster are in Strays. Nodes that have joined and do not exist any more
// are in Gone.
func Open(ctx context.Context, p provider.Provider, name string) (*cluster.Cluster, error) {
	nodes, err := Nodes(ctx, p, name)
	if err != nil {
		return nil, err
	}
	limited, cancel := context.WithTimeout(ctx, openLimit)
	defer cancel()
	n, err := ControlPlane(limited, nodes)
	if err != nil {
		return nil, unanswered(ctx, limited, name, err)
	}
	files, err := provider.Archived(limited, n, "tar", "-C", "/", "-cf", "-", strings.TrimPrefix(stateDir, "/"))
	if err != nil {
		return nil, fmt.Errorf("reading the configuration and keys of cluster %q on %s: %w", name, n.Name(), unanswered(ctx, limited, name, err))
	}
	c, err := clusterOf(name, nodes, files)
	if err != nil {
		return nil, fmt.Errorf("reading cluster %q on %s: %w; mkube export logs --name %[1]s collects the logs for a report, mkube delete cluster --name %[1]s deletes it", name, n.Name(), err)
	}
	return c, nil
}

// unanswered replaces an error if it is due to openLimit: then no control plane has answered in
// time.
func unanswered(ctx, limited context.Context, name string, err error) error {
	if limited.Err() == nil || ctx.Err() != nil {
		return err
	}
	return fmt.Errorf("no control plane of cluster %q answers within %s: mkube stop cluster and mkube start cluster restart the nodes", name, openLimit)
}

// clusterOf returns the cluster with these nodes, from the files that a control plane keeps.
func clusterOf(name string, nodes []provider.Node, files map[string][]byte) (*cluster.Cluster, error) {
	data, ok := files[configPath]
	if !ok {
		return nil, fmt.Errorf("%s is missing", configPath)
	}
	var cfg config.Cluster
	if err := yaml.UnmarshalStrict(data, &cfg); err != nil {
		return nil, fmt.Errorf("%s is damaged: %w", configPath, err)
	}
	if err := sound(name, cfg); err != nil {
		return nil, fmt.Errorf("%s is damaged: %w", configPath, err)
	}
	keys, err := keysFrom(files)
	if err != nil {
		return nil, fmt.Errorf("a key is damaged: %w", err)
	}
	known, strays, gone := joined(files, cfg, nodes)
	c := cluster.New(cfg, known, keys)
	if len(c.ControlPlanes()) == 0 {
		return nil, fmt.Errorf("%s is damaged: it lists none of the control planes that exist", configPath)
	}
	c.Strays, c.Gone = strays, gone
	c.Stage = strings.TrimSpace(string(files[stagePath]))
	return c, nil
}

// joined divides nodes into those that have joined a cluster, in order, and others. gone lists the
// names of those that have joined and do not exist any more.
func joined(files map[string][]byte, cfg config.Cluster, nodes []provider.Node) (known, strays []provider.Node, gone []string) {
	members, ok := files[membersPath]
	if !ok { // a cluster of an older mkube
		known, strays = InOrder(cfg, nodes)
		return known, strays, nil
	}
	names := strings.Fields(string(members))
	var list []provider.Node
	for _, n := range nodes {
		if slices.Contains(names, n.Name()) {
			list = append(list, n)
		} else {
			strays = append(strays, n)
		}
	}
	known, others := InOrder(cfg, list)
	for _, name := range names {
		if !slices.ContainsFunc(nodes, func(n provider.Node) bool { return n.Name() == name }) {
			gone = append(gone, name)
		}
	}
	return known, append(strays, others...), gone
}

// sound returns an error if no command can have written the configuration. It does not validate
// the configuration, which may have been valid by the rules of another release of mkube.
func sound(name string, cfg config.Cluster) error {
	if cfg.Name != name {
		return fmt.Errorf("it belongs to cluster %q", cfg.Name)
	}
	if _, err := netip.ParsePrefix(strings.Split(cfg.Networking.ServiceSubnet, ",")[0]); err != nil {
		return fmt.Errorf("networking.serviceSubnet: %w", err)
	}
	for i, n := range cfg.Nodes {
		if !slices.Contains([]config.Role{config.ControlPlane, config.Worker, config.LoadBalancer}, n.Role) {
			return fmt.Errorf("nodes[%d].role is %q", i, n.Role)
		}
		cidrs := cfg.PodCIDRs(i)
		if len(cidrs) == 0 || slices.ContainsFunc(cidrs, func(p netip.Prefix) bool { return !p.IsValid() }) {
			return fmt.Errorf("networking.podSubnet %q has no part for nodes[%d]", cfg.Networking.PodSubnet, i)
		}
	}
	return nil
}

// InOrder sorts nodes by their places in a configuration. strays are the nodes that are not in it.
func InOrder(cfg config.Cluster, nodes []provider.Node) (known, strays []provider.Node) {
	byName := map[string]provider.Node{}
	for _, n := range nodes {
		byName[n.Name()] = n
	}
	for i, name := range cfg.NodeNames() {
		if n := byName[name]; n != nil && n.Role() == cfg.Nodes[i].Role {
			known = append(known, n)
			delete(byName, name)
		}
	}
	for _, n := range nodes {
		if byName[n.Name()] != nil {
			strays = append(strays, n)
		}
	}
	return known, strays
}

// LeftoverWarnings returns one line for each stray or gone node of a cluster, with what to do.
// While another command changes the cluster, the nodes may be those that it changes, see AtWork.
func LeftoverWarnings(c *cluster.Cluster) []string {
	var lines []string
	for _, n := range c.Strays {
		lines = append(lines, fmt.Sprintf("node %s is not part of cluster %q: an interrupted command left it behind; mkube delete node %s --name %s deletes it",
			n.Name(), c.Config.Name, n.Name(), c.Config.Name))
	}
	for _, name := range c.Gone {
		remedy := fmt.Sprintf("mkube delete node %s --name %s deletes what is left of it in the cluster", name, c.Config.Name)
		if RoleOf(c.Config, name) == config.LoadBalancer {
			remedy = "without it, the API servers are unreachable: create the cluster again"
		}
		lines = append(lines, fmt.Sprintf("node %s of cluster %q no longer exists; %s", name, c.Config.Name, remedy))
	}
	return lines
}

// RoleOf returns the role of a node by its name, or "" if the configuration does not contain the
// name.
func RoleOf(cfg config.Cluster, name string) config.Role {
	if i := slices.Index(cfg.NodeNames(), name); i >= 0 {
		return cfg.Nodes[i].Role
	}
	return ""
}

// The files on a control plane with the keys that a cluster begins with. They are apart from the
// paths of Kubernetes, because components are added and removed, and certificates may be broken.
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

// SetStage writes the name of the last component that is up to all control planes, and sets
// c.Stage. If last is empty, all components are up.
func SetStage(ctx context.Context, c *cluster.Cluster, last string) error {
	c.Stage = last
	var errs []error
	for _, n := range c.ControlPlanes() {
		if last != "" {
			errs = append(errs, provider.WriteFiles(ctx, n, []provider.File{{Path: stagePath, Data: []byte(last + "\n")}}))
			continue
		}
		_, err := provider.Output(ctx, n, "rm", "-f", stagePath)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
