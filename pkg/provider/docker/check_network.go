package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/provider"
	"github.com/mkube/mkube/pkg/provider/hostnet"
)

// checkPorts listens for a moment on each port that the cluster will publish.
func checkPorts(cfg config.Cluster) error {
	errs := []error{tryPort("networking.apiServerPort", "TCP", cfg.Networking.APIServerAddress, cfg.Networking.APIServerPort)}
	for i, n := range cfg.Nodes {
		for j, m := range n.ExtraPortMappings {
			errs = append(errs, tryPort(fmt.Sprintf("nodes[%d].extraPortMappings[%d]", i, j), m.Protocol, m.ListenAddress, m.HostPort))
		}
	}
	return errors.Join(errs...)
}

// tryPort listens on a port and closes it again. Port 0, which is any free port, checks only
// whether the host has the address. Ports that cannot be tried from here, such as SCTP ports or
// ports that only root may use, are left to the daemon.
func tryPort(field, protocol, address string, port int32) error {
	addr, err := netip.ParseAddr(address)
	if err != nil {
		return nil // the validation of the configuration has reported this
	}
	// The digit restricts a wildcard address to its family. A mapping of the other family is a
	// different socket.
	family := "4"
	if addr.Is6() {
		family = "6"
	}
	at := net.JoinHostPort(address, strconv.Itoa(int(port)))
	switch protocol {
	case "", "TCP":
		err = tried(net.Listen("tcp"+family, at))
	case "UDP":
		err = tried(net.ListenPacket("udp"+family, at))
	}
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("%s: port %d of %s is taken: choose another port, or stop the program that listens there", field, port, address)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("%s: %s is not an address of this host", field, address)
	}
	return nil
}

// tried closes what Listen has opened, or returns the error of Listen.
func tried(c io.Closer, err error) error {
	if err != nil {
		return err
	}
	return c.Close()
}

// checkSubnets checks whether a subnet for the cluster's network is free, and warns about networks
// that the cluster's pods and Services hide.
func (p *Provider) checkSubnets(ctx context.Context, cfg config.Cluster) []provider.Problem {
	t, err := takenSubnets(ctx, p.client, p.machine, cfg)
	if err != nil {
		return provider.Refuse(provider.CheckProvider, err)
	}
	uses := slices.Concat(t.networks, t.addresses, t.routes)
	return slices.Concat(
		t.place(cfg),
		provider.Warn(provider.CheckSubnet, hostnet.Hidden("networking.podSubnet", cfg.Networking.PodSubnets(), uses)),
		provider.Warn(provider.CheckSubnet, hostnet.Hidden("networking.serviceSubnet", cfg.Networking.ServiceSubnets(), uses)),
	)
}

// place returns the problems with the subnets of the cluster's network. If the network exists
// already, there are none.
func (t occupied) place(cfg config.Cluster) []provider.Problem {
	if t.there {
		return nil
	}
	subnets, ok := t.first(ipv6(cfg))
	if !ok {
		return provider.Refuse(provider.CheckSubnet, errNoSubnet)
	}
	var routed []string
	for _, s := range subnets {
		for _, r := range t.routes {
			if s.Overlaps(r.Subnet) {
				routed = append(routed, fmt.Sprintf("%s (%s of %s)", s, r.Subnet, r.By))
				break
			}
		}
	}
	if routed == nil {
		return nil
	}
	return provider.Warn(provider.CheckSubnet, fmt.Errorf("this host has routes to all subnets that a cluster's network can have: the network gets %s, where this host can reach nothing else while the cluster exists; delete the routes if you do not need them", strings.Join(routed, " and ")))
}
