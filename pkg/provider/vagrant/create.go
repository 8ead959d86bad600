package vagrant

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/provider"
)

// The processors and memory of a machine if the configuration sets none: enough for a control plane
// and some pods.
const (
	defaultCPUs   = 2
	defaultMemory = 2048 // MiB
)

// Create creates the cluster's folder and boots its machines, all at the same time if the
// hypervisor supports that. Then it turns them into nodes.
func (p *Provider) Create(ctx context.Context, cfg config.Cluster, creation string, seed provider.Seed) ([]provider.Node, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	r, err := p.reserve(ctx, cfg, creation)
	if err != nil {
		return nil, err
	}
	var nodes []provider.Node
	for _, m := range r.Machines {
		nodes = append(nodes, p.node(cfg.Name, m))
	}
	files, err := seed(nodes)
	if err != nil {
		return nil, err
	}
	if err := p.vagrant(ctx, cfg.Name, "up", "--provider", r.Hypervisor); err != nil {
		return nil, err
	}
	if err := p.learn(ctx, cfg.Name); err != nil {
		return nil, err
	}
	g, gctx := errgroup.WithContext(ctx)
	for i, n := range nodes {
		g.Go(func() error { return p.furnish(gctx, cfg.Nodes[i].Image, n, files[n.Name()]) })
	}
	return nodes, g.Wait()
}

var _ provider.Previewer = (*Provider)(nil)

// Preview writes the Vagrantfile of a new cluster. It needs no bundle. If no hypervisor is installed,
// the file is for VirtualBox.
func (p *Provider) Preview(ctx context.Context, cfg config.Cluster, w io.Writer) error {
	hypervisor, err := p.hypervisor()
	if err != nil {
		hypervisor = virtualbox
	}
	r, err := p.plan(ctx, cfg, hypervisor)
	if err != nil {
		return err
	}
	text, err := r.vagrantfile()
	if err != nil {
		return err
	}
	_, err = w.Write(text)
	return err
}

// plan returns the record of a new cluster, without the versions of its node images.
func (p *Provider) plan(ctx context.Context, cfg config.Cluster, hypervisor string) (record, error) {
	subnet, err := p.subnet(ctx, cfg)
	if err != nil {
		return record{}, err
	}
	r := record{Cluster: cfg.Name, Hypervisor: hypervisor, Box: cmp.Or(p.o.Box, DefaultBox), Subnet: subnet}
	for i := range cfg.Nodes {
		r.Machines = append(r.Machines, machineOf(cfg, i, subnet))
	}
	return r, nil
}

// machineOf returns the machine of the i-th node, without the versions of its node image.
func machineOf(cfg config.Cluster, i int, subnet netip.Prefix) machine {
	n := cfg.Nodes[i]
	return machine{
		Name: cfg.NodeNames()[i], Role: n.Role, Place: i, Address: address(cfg, i, subnet),
		// A machine has whole processors: a part is rounded up.
		CPUs:   cmp.Or((n.Resources.MilliCPUs()+999)/1000, defaultCPUs),
		Memory: cmp.Or(n.Resources.MemoryBytes()>>20, defaultMemory),
	}
}

// reserve plans a cluster and creates its folder, which must not exist. After that, its name and
// subnet are taken.
func (p *Provider) reserve(ctx context.Context, cfg config.Cluster, creation string) (record, error) {
	p.planning.Lock() // two concurrent Creates would choose the same subnet
	defer p.planning.Unlock()
	hypervisor, err := p.hypervisor()
	if err != nil {
		return record{}, err
	}
	r, err := p.plan(ctx, cfg, hypervisor)
	if err != nil {
		return r, err
	}
	for i := range r.Machines {
		_, info, err := p.bundle(cfg.Nodes[i].Image)
		if err != nil {
			return r, err
		}
		r.Machines[i].Versions = info.Versions
	}
	r.Creation = creation
	if err := os.MkdirAll(p.o.Dir, 0o700); err != nil {
		return r, err
	}
	dir := p.folder(r.Cluster)
	err = os.Mkdir(dir, 0o700)
	if errors.Is(err, fs.ErrExist) {
		return r, fmt.Errorf("%s %w: mkube delete cluster --name %s deletes what is left of that cluster", dir, provider.ErrExists, r.Cluster)
	}
	if err != nil {
		return r, fmt.Errorf("creating the cluster's folder: %w", err)
	}
	if err := p.write(r); err != nil {
		return r, errors.Join(err, os.RemoveAll(dir)) // without a record, Delete with this creation would not find it
	}
	return r, nil
}

// furnish turns a machine that has booted into a node. It copies the content of the node image and
// the seed to the machine before any of it starts.
func (p *Provider) furnish(ctx context.Context, image string, n provider.Node, files []provider.File) error {
	bundle, info, err := p.bundle(image)
	if err != nil {
		return err
	}
	if err := unpack(ctx, n, bundle, info); err != nil {
		return fmt.Errorf("copying %s to %s: %w", filepath.Base(bundle), n.Name(), err)
	}
	if err := provider.WriteFiles(ctx, n, files); err != nil {
		return err
	}
	if err := n.Run(ctx, provider.Cmd{Args: []string{"mkube-vm-setup", n.Name(), n.IP().String()}}); err != nil {
		return fmt.Errorf("turning %s into a node: %w", n.Name(), err)
	}
	return nil
}

// unpack unpacks a bundle on a machine, unless the machine's box already contains the same bundle.
func unpack(ctx context.Context, n provider.Node, bundle string, info bundleInfo) error {
	var have bundleInfo
	output, err := provider.Output(ctx, n, "cat", "/"+infoPath)
	if err == nil && json.Unmarshal(output, &have) == nil && have == info {
		return nil
	}
	// -1 means that cat did not run. Otherwise the box contains no bundle, or another one.
	if provider.ExitCode(err) == -1 {
		return err
	}
	f, err := os.Open(bundle)
	if err != nil {
		return err
	}
	defer f.Close()
	file, err := f.Stat()
	if err != nil {
		return err
	}
	// --no-overwrite-dir keeps the modes of folders that exist.
	return n.Run(ctx, provider.Cmd{Args: []string{"tar", "-C", "/", "--no-overwrite-dir", "-xf", "-"}, Stdin: provider.Counted(ctx, f, file.Size())})
}

// learn gets from vagrant how to reach the machines of a cluster, and stores it in the cluster's
// folder: the command takes seconds.
func (p *Provider) learn(ctx context.Context, cluster string) error {
	var stdout, stderr bytes.Buffer
	err := p.run(ctx, p.folder(cluster), output{&stdout, &stderr}, "ssh-config")
	// The command fails if a machine does not run, but still prints the others.
	if err != nil && stdout.Len() == 0 {
		return explain(ctx, err, "ssh-config", "", strings.TrimSpace(stderr.String()))
	}
	return replace(filepath.Join(p.folder(cluster), sshConfigFile), stdout.Bytes())
}
