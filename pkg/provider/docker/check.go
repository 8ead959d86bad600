package docker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/system"

	"github.com/mkube/mkube/pkg/config"
)

// Check looks at the daemon, the images, the ports, the subnets, and what is left
// of memory, disk and inotify instances. What is this host's is only looked at
// where the daemon runs here.
func (p *Provider) Check(ctx context.Context, cfg config.Cluster) error {
	if err := reach(ctx, p.client); err != nil {
		return err
	}
	info, err := p.client.Info(ctx)
	if err != nil {
		return fmt.Errorf("asking the Docker daemon about itself: %w", err)
	}
	if info.OSType != "linux" {
		return fmt.Errorf("the Docker daemon runs %s containers: nodes need Linux ones; switch it over", info.OSType)
	}
	images, imageErr := p.nodeImages(ctx, cfg)
	errs := []error{imageErr, checkAddons(cfg, images), p.checkSubnets(ctx, cfg), checkAddresses(cfg)}
	if local(p.client) {
		errs = append(errs, checkPorts(cfg), checkMemory(info, cfg), checkDisk(info, cfg), checkInotify(cfg))
	}
	return errors.Join(errs...)
}

// checkAddons refuses an addon that a node image does not hold.
func checkAddons(cfg config.Cluster, images map[string]nodeImage) error {
	if !slices.Contains(cfg.Addons, "metrics-server") {
		return nil
	}
	for name, i := range images {
		if i.versions.MetricsServer == "" {
			return fmt.Errorf("addon metrics-server is not in node image %s: it can be built with Kubernetes v1.36 and newer", name)
		}
	}
	return nil
}

// checkAddresses refuses addresses that were chosen: those of containers are of a subnet
// that is free on the daemon.
func checkAddresses(cfg config.Cluster) error {
	var errs []error
	for i, n := range cfg.Nodes {
		if n.Address != "" {
			errs = append(errs, fmt.Errorf("nodes[%d].address: a container's address is not to be chosen: leave it out, or make virtual machines by --provider vagrant", i))
		}
	}
	return errors.Join(errs...)
}

// checkPorts tries to listen where the cluster will.
func checkPorts(cfg config.Cluster) error {
	var errs []error
	try := func(field, address string, port int32) {
		if port == 0 {
			return
		}
		l, err := net.Listen("tcp", net.JoinHostPort(address, strconv.Itoa(int(port))))
		switch {
		case err == nil:
			l.Close()
		case errors.Is(err, syscall.EADDRINUSE):
			errs = append(errs, fmt.Errorf("%s: port %d of %s is taken: choose another, or end what listens there", field, port, address))
		case errors.Is(err, syscall.EADDRNOTAVAIL):
			errs = append(errs, fmt.Errorf("%s: %s is no address of this host", field, address))
		}
	}
	try("networking.apiServerPort", cfg.Networking.APIServerAddress, cfg.Networking.APIServerPort)
	for i, n := range cfg.Nodes {
		for j, m := range n.ExtraPortMappings {
			if m.Protocol == "" || m.Protocol == "TCP" {
				try(fmt.Sprintf("nodes[%d].extraPortMappings[%d]", i, j), m.ListenAddress, m.HostPort)
			}
		}
	}
	return errors.Join(errs...)
}

// checkSubnets finds networks that the cluster's own would hide.
func (p *Provider) checkSubnets(ctx context.Context, cfg config.Cluster) error {
	networks, err := p.client.NetworkList(ctx, network.ListOptions{})
	if err != nil {
		return fmt.Errorf("listing networks: %w", err)
	}
	taken := map[netip.Prefix]string{}
	for _, n := range networks {
		for _, ipam := range n.IPAM.Config {
			if prefix, err := netip.ParsePrefix(ipam.Subnet); err == nil {
				taken[prefix] = "Docker network " + n.Name
			}
		}
	}
	if local(p.client) {
		if err := hostSubnets(taken); err != nil {
			return err
		}
	}
	return errors.Join(
		clash("networking.podSubnet", cfg.Networking.PodSubnet, taken),
		clash("networking.serviceSubnet", cfg.Networking.ServiceSubnet, taken),
	)
}

func hostSubnets(taken map[netip.Prefix]string) error {
	interfaces, err := net.Interfaces()
	if err != nil {
		return fmt.Errorf("listing this host's networks: %w", err)
	}
	for _, i := range interfaces {
		addrs, err := i.Addrs()
		if err != nil {
			continue // it went away in between
		}
		for _, a := range addrs {
			prefix, err := netip.ParsePrefix(a.String())
			if err != nil || taken[prefix.Masked()] != "" {
				continue
			}
			taken[prefix.Masked()] = "this host's " + i.Name
		}
	}
	return nil
}

func clash(field, subnets string, taken map[netip.Prefix]string) error {
	var errs []error
	for _, s := range strings.Split(subnets, ",") {
		subnet, err := netip.ParsePrefix(strings.TrimSpace(s))
		if err != nil {
			continue // the configuration's own check has said so
		}
		for other, owner := range taken {
			if subnet.Overlaps(other) {
				errs = append(errs, fmt.Errorf("%s %s overlaps %s of %s: choose another subnet", field, subnet, other, owner))
			}
		}
	}
	return errors.Join(errs...)
}

// What a node needs so that its pods have room to start.
const (
	controlPlaneMemory = 900 << 20
	workerMemory       = 400 << 20
	loadBalancerMemory = 100 << 20
	nodeDisk           = 1 << 30
)

func neededMemory(cfg config.Cluster) (bytes uint64) {
	return uint64(cfg.Count(config.ControlPlane))*controlPlaneMemory +
		uint64(cfg.Count(config.Worker))*workerMemory +
		uint64(cfg.Count(config.LoadBalancer))*loadBalancerMemory
}

func checkMemory(info system.Info, cfg config.Cluster) error {
	have, ok := availableMemory()
	if !ok {
		have = uint64(info.MemTotal)
	}
	if need := neededMemory(cfg); have < need {
		return fmt.Errorf("%d MiB of memory are free and the cluster needs %d: end something, or give the Docker daemon more", have>>20, need>>20)
	}
	return nil
}

func checkDisk(info system.Info, cfg config.Cluster) error {
	have, ok := freeDisk(info.DockerRootDir)
	if need := uint64(len(cfg.Nodes)) * nodeDisk; ok && have < need {
		return fmt.Errorf("%d MiB are free in %s and the cluster needs %d: docker system prune makes room", have>>20, info.DockerRootDir, need>>20)
	}
	return nil
}
