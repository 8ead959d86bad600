// Package state is what a cluster keeps on its nodes: its configuration, keys and members, the stage that it
// is at, notes, and the lock that commands take to change it.
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

// stateDir is where nodes keep what is mkube's.
const stateDir = names.StateDir

// configPath is where every control plane keeps the cluster's configuration, with all
// defaults. Its nodes are places: one whose node was deleted stays, and the next of
// its role takes it, so that no other's name, address or pods' network changes.
const configPath = stateDir + "/cluster.yaml"

// stagePath is where every control plane keeps the name of the last component that is
// up, if not all are.
const stagePath = stateDir + "/stage"

// membersPath is where every control plane keeps the names of the nodes that have joined
// the cluster, a line each. A place of the configuration may be free, or taken by a node
// whose add was killed.
const membersPath = stateDir + "/nodes"

// ConfigFiles are the cluster's configuration and the names of its nodes. A node that
// is being added is not among them until all its components are ready: see join.
func ConfigFiles(c *cluster.Cluster) ([]provider.File, error) {
	data, err := yaml.Marshal(c.Config)
	var names strings.Builder
	for _, n := range c.Nodes {
		if n.Name() != c.Joining {
			names.WriteString(n.Name() + "\n")
		}
	}
	for _, name := range c.Gone { // until somebody deletes what is left of it
		names.WriteString(name + "\n")
	}
	return []provider.File{{Path: configPath, Data: data, Mode: 0o600}, {Path: membersPath, Data: []byte(names.String())}}, err
}

// Files are what a control plane knows of its cluster, whichever components are
// there: the configuration, the keys, the stage.
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

// openLimit is how long a control plane may take to give what it keeps. An emulated machine
// that also boots others takes some seconds.
const openLimit = time.Minute

// Open is a cluster that exists: its configuration, keys and nodes, read from a
// control plane that runs. Where there is none of the name, the error is a
// *NotFoundError. Nodes that have not joined it are its Strays, those that have and do not
// exist any more are Gone.
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

// unanswered says of an error that no control plane has answered in time, if so.
func unanswered(ctx, limited context.Context, name string, err error) error {
	if limited.Err() == nil || ctx.Err() != nil {
		return err
	}
	return fmt.Errorf("no control plane of cluster %q answers within %s: mkube stop cluster and mkube start cluster restart the nodes", name, openLimit)
}

// clusterOf is the cluster of these nodes, by the files that a control plane keeps.
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

// joined divides nodes into those that have joined a cluster, in order, and others, and
// names those that have joined it and do not exist.
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

// sound says what keeps a configuration from being one that a command has written: it
// was valid then, perhaps by the rules of another release of mkube.
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

// InOrder sorts nodes by their places in a configuration, and finds those that are not
// in it.
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

// LeftoverWarnings says of each stray or gone node of a cluster what to do, a line each.
// While another command changes the cluster, they may be that command's: see AtWork.
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

// RoleOf is the role of a node by its name, "" for a name that the configuration lacks.
func RoleOf(cfg config.Cluster, name string) config.Role {
	if i := slices.Index(cfg.NodeNames(), name); i >= 0 {
		return cfg.Nodes[i].Role
	}
	return ""
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

// SetStage writes the name of the last component that is up to all control planes, and into c.
// It is empty if all components are up.
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
