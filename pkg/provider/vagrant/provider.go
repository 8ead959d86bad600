// Package vagrant creates nodes that are virtual machines, with the vagrant command and one SSH
// connection to each machine. A cluster is a folder with a Vagrantfile, in which plain vagrant
// works as well.
package vagrant

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/provider"
	"github.com/mkube/mkube/pkg/provider/hostnet"
)

// Options set the folder of the clusters, and the properties of new machines. Dir and Bundles are
// required.
type Options struct {
	// Dir contains a folder for each cluster. It need not exist.
	Dir string
	// Bundles is the folder of the bundles of node images that are named by a version: v1.37.2.tar
	// for mkube/node:v1.37.2. Any other image is the path of a bundle.
	Bundles string
	// Hypervisor is Vagrant's provider, such as "libvirt". If empty, it is virtualbox, or libvirt
	// if only that is installed.
	Hypervisor string
	// Box is the box of new machines, Debian or Ubuntu. If empty, it is DefaultBox.
	Box string
}

// DefaultBox is a box that Vagrant's catalog contains for VirtualBox and libvirt.
const DefaultBox = "debian/bookworm64"

// Provider creates nodes that are virtual machines. It is safe for concurrent use.
type Provider struct {
	o Options
	// run runs the vagrant command.
	run func(ctx context.Context, dir string, w output, args ...string) error
	// lookPath finds programs.
	lookPath func(string) (string, error)
	// networks are those of this host.
	networks hostnet.Networks

	planning sync.Mutex
	mu       sync.Mutex
	links    map[string]*link // by "CLUSTER/NODE"
}

var _ provider.Provider = (*Provider)(nil)

// New returns a provider with options. It checks nothing yet.
func New(o Options) *Provider {
	return &Provider{o: o, run: runVagrant, lookPath: exec.LookPath, networks: hostnet.Here(), links: map[string]*link{}}
}

// folder returns the folder of a cluster. It is "" for an invalid name, so that no name leads to
// another folder.
func (p *Provider) folder(cluster string) string {
	if cluster == "" || strings.HasPrefix(cluster, ".") || strings.ContainsAny(cluster, `/\`) {
		return ""
	}
	return filepath.Join(p.o.Dir, cluster)
}

// Clusters returns the names of the clusters that have a folder. It does not run vagrant.
func (p *Provider) Clusters(ctx context.Context) ([]string, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(p.o.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("listing clusters: %w", err)
	}
	var names []string
	for _, e := range entries {
		if e.IsDir() && p.folder(e.Name()) != "" {
			names = append(names, e.Name())
		}
	}
	return names, nil // ReadDir sorts
}

// Nodes returns the machines of a cluster, whether they run or not. It does not run vagrant.
func (p *Provider) Nodes(ctx context.Context, cluster string) ([]provider.Node, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	r, err := p.read(cluster)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // no cluster, or one whose create was killed early
	}
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(r.Machines, func(a, b machine) int { return rank(a.Role) - rank(b.Role) })
	var nodes []provider.Node
	for _, m := range r.Machines {
		nodes = append(nodes, p.node(cluster, m))
	}
	return nodes, nil
}

func rank(r config.Role) int {
	return slices.Index([]config.Role{config.ControlPlane, config.Worker, config.LoadBalancer}, r)
}

// Delete destroys a cluster's machines and removes its folder, or destroys the machine that an Add
// with this creation created. It needs vagrant only if vagrant has created a machine of the
// cluster.
func (p *Provider) Delete(ctx context.Context, cluster, creation string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if creation == "" {
		return p.deleteAll(ctx, cluster)
	}
	r, err := p.read(cluster)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case r.Creation == creation:
		return p.deleteAll(ctx, cluster)
	}
	i := slices.IndexFunc(r.Machines, func(m machine) bool { return m.Creation == creation })
	if i < 0 {
		return nil
	}
	return p.Remove(ctx, cluster, r.Machines[i].Name)
}

func (p *Provider) deleteAll(ctx context.Context, cluster string) error {
	dir := p.folder(cluster)
	if _, err := os.Stat(dir); dir == "" || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	p.forget(cluster)
	if _, err := os.Stat(filepath.Join(dir, ".vagrant")); err == nil {
		if err := p.vagrant(ctx, cluster, "destroy", "--force"); err != nil {
			return fmt.Errorf("destroying the machines of %s: %w", cluster, err)
		}
	}
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("removing %s: %w", dir, err)
	}
	return nil
}
