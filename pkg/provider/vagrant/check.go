package vagrant

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"

	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/provider"
	"github.com/mkube/mkube/pkg/provider/hostnet"
)

// The Vagrant providers between which mkube chooses.
const (
	virtualbox = "virtualbox"
	libvirt    = "libvirt"
)

// Check checks vagrant, the hypervisor, the bundles and the subnets, and returns a problem for each
// setting that only containers support.
func (p *Provider) Check(ctx context.Context, cfg config.Cluster) []provider.Problem {
	if err := ctx.Err(); err != nil {
		return provider.Refuse(provider.CheckProvider, err)
	}
	var vagrantErr error
	if _, err := p.lookPath("vagrant"); err != nil {
		vagrantErr = errors.New("vagrant is not installed: see https://developer.hashicorp.com/vagrant/install; on Debian, sudo apt-get install vagrant vagrant-libvirt")
	}
	hypervisor, hypervisorErr := p.hypervisor()
	return slices.Concat(
		provider.Refuse(provider.CheckProvider, errors.Join(vagrantErr, hypervisorErr)),
		provider.Refuse(provider.CheckConfig, containersOnly(cfg)),
		provider.Refuse(provider.CheckImage, p.checkBundles(cfg)),
		p.checkSubnets(ctx, cfg, hypervisor),
	)
}

func (p *Provider) checkBundles(cfg config.Cluster) error {
	var errs []error
	seen := map[string]bool{}
	for _, n := range cfg.Nodes {
		if !seen[n.Image] {
			seen[n.Image] = true
			_, _, err := p.bundle(n.Image)
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// checkSubnets checks the addresses that the configuration sets, or whether a subnet for the
// cluster's network is free. It warns about networks that the cluster's pods and Services hide.
func (p *Provider) checkSubnets(ctx context.Context, cfg config.Cluster, hypervisor string) []provider.Problem {
	subnet, err := givenSubnet(cfg)
	if err != nil {
		return provider.Refuse(provider.CheckConfig, err)
	}
	t, err := p.taken(ctx, cfg)
	if err != nil {
		return provider.Refuse(provider.CheckProvider, err)
	}
	var found []provider.Problem
	switch {
	case !subnet.IsValid() && !slices.Contains(t.clusters, cfg.Name):
		found = t.place()
	case subnet.IsValid() && hypervisor == virtualbox:
		found = provider.Refuse(provider.CheckSubnet, hostOnly(subnet))
	}
	uses := slices.Concat(t.links, t.routes)
	return slices.Concat(found,
		provider.Warn(provider.CheckSubnet, hostnet.Hidden("networking.podSubnet", cfg.Networking.PodSubnets(), uses)),
		provider.Warn(provider.CheckSubnet, hostnet.Hidden("networking.serviceSubnet", cfg.Networking.ServiceSubnets(), uses)),
	)
}

// hypervisor returns Vagrant's provider: VirtualBox, the most common one, or libvirt if only that
// is installed.
func (p *Provider) hypervisor() (string, error) {
	if p.o.Hypervisor != "" {
		return p.o.Hypervisor, nil
	}
	for _, h := range []struct{ name, program string }{
		{virtualbox, "VBoxManage"}, {virtualbox, "VBoxManage.exe"}, {libvirt, "virsh"}, {libvirt, "libvirtd"},
	} {
		if _, err := p.lookPath(h.program); err == nil {
			return h.name, nil
		}
	}
	return "", errors.New("neither VirtualBox nor libvirt is installed: install one of them, or choose another Vagrant provider with --vagrant-provider")
}

// containersOnly returns an error for each setting that virtual machines do not support.
func containersOnly(cfg config.Cluster) error {
	var errs []error
	refuse := func(field, why string) { errs = append(errs, fmt.Errorf("%s: %s", field, why)) }
	if cfg.Networking.IPFamily != config.IPv4 && cfg.Networking.IPFamily != "" {
		refuse("networking.ipFamily", "virtual machines have only IPv4 addresses: remove this field, or use containers (--provider docker)")
	}
	if cfg.Networking.APIServerPort != 0 {
		refuse("networking.apiServerPort", "the API server of a virtual machine is reachable at its own address, port 6443: remove this field")
	}
	for i, n := range cfg.Nodes {
		if len(n.ExtraMounts) > 0 {
			refuse(fmt.Sprintf("nodes[%d].extraMounts", i), "a virtual machine cannot mount folders of the host: remove this field, or use containers (--provider docker)")
		}
		if len(n.ExtraPortMappings) > 0 {
			refuse(fmt.Sprintf("nodes[%d].extraPortMappings", i), "the ports of a virtual machine are reachable at its own address: remove this field")
		}
	}
	return errors.Join(errs...)
}

// networksFile lists the host-only networks that VirtualBox may create outside its default range.
const networksFile = "/etc/vbox/networks.conf"

// hostOnly checks a subnet against the range to which VirtualBox 6.1.28 and newer are limited.
func hostOnly(subnet netip.Prefix) error {
	if pool.Contains(subnet.Addr()) {
		return nil
	}
	if _, err := os.Stat(networksFile); err == nil {
		return nil // the administrator has chosen the ranges
	}
	return fmt.Errorf("nodes[].address: VirtualBox does not create network %s: echo '* %[1]s' | sudo tee %[2]s allows it, or choose addresses in %[3]s", subnet, networksFile, pool)
}
