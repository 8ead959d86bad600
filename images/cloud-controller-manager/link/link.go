// Package link manages the network interface that connects a node to the cluster's network. It adds
// addresses of Services to the interface, removes them, and announces them to the network.
package link

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"syscall"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/mkube/mkube/images/cloud-controller-manager/addresses"
)

// Link is one interface. It implements speaker.Link. It is not safe for concurrent use.
type Link struct {
	name     string
	index    int
	hardware net.HardwareAddr
	networks []netip.Prefix
}

// Find returns the interface that has an address.
func Find(address netip.Addr) (*Link, error) {
	interfaces, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("listing this node's interfaces: %w", err)
	}
	for _, i := range interfaces {
		networks, err := networksOf(i)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(networks, func(p netip.Prefix) bool { return p.Addr() == address }) {
			return &Link{name: i.Name, index: i.Index, hardware: i.HardwareAddr, networks: networks}, nil
		}
	}
	return nil, fmt.Errorf("no interface of this node has the address %s: set --node-ip to the address of this node", address)
}

// networksOf returns the addresses of an interface with their prefix lengths, without link-local
// addresses.
func networksOf(i net.Interface) ([]netip.Prefix, error) {
	list, err := i.Addrs()
	if err != nil {
		return nil, fmt.Errorf("listing the addresses of %s: %w", i.Name, err)
	}
	var networks []netip.Prefix
	for _, a := range list {
		if p, err := netip.ParsePrefix(a.String()); err == nil && !p.Addr().IsLinkLocalUnicast() {
			networks = append(networks, netip.PrefixFrom(p.Addr().Unmap(), p.Bits()))
		}
	}
	return networks, nil
}

// Pools returns the pools of addresses for Services in the networks of the interface.
func (l *Link) Pools() addresses.Pools { return addresses.PoolsOf(l.networks) }

// String returns the name of the interface.
func (l *Link) String() string { return l.name }

// lifetime is the time, in seconds, after which the kernel removes an address unless Hold is called
// again, so that no address remains when the program dies. It is several times the interval between
// two calls of Hold.
const lifetime = 5

// Hold adds an address to the interface for five seconds, or extends its lifetime to five seconds from
// now.
func (l *Link) Hold(a netip.Addr) error {
	// With a preferred lifetime of 0, the kernel does not choose the address as the source of the
	// node's own connections. Duplicate address detection is disabled (IFA_F_NODAD), because it takes
	// a second, and the speakers already select one node for the address.
	addr := l.address(a)
	addr.ValidLft, addr.PreferedLft = lifetime, 0
	addr.Flags = unix.IFA_F_NODAD | unix.IFA_F_NOPREFIXROUTE
	if err := netlink.AddrReplace(nil, addr); err != nil {
		return fmt.Errorf("adding %s to %s: %w", a, l.name, err)
	}
	return nil
}

// Release removes an address from the interface. It is no error if the interface does not have the
// address.
func (l *Link) Release(a netip.Addr) error {
	err := netlink.AddrDel(nil, l.address(a))
	if err != nil && !errors.Is(err, syscall.EADDRNOTAVAIL) {
		return fmt.Errorf("removing %s from %s: %w", a, l.name, err)
	}
	return nil
}

// Held returns the addresses of Services that the interface has, sorted.
func (l *Link) Held() ([]netip.Addr, error) {
	i, err := net.InterfaceByIndex(l.index)
	if err != nil {
		return nil, fmt.Errorf("finding interface %s: %w", l.name, err)
	}
	networks, err := networksOf(*i)
	if err != nil {
		return nil, err
	}
	var held []netip.Addr
	pools := l.Pools()
	for _, p := range networks {
		if pools.Contains(p.Addr()) && p.IsSingleIP() {
			held = append(held, p.Addr())
		}
	}
	return addresses.Sort(held), nil
}

func (l *Link) address(a netip.Addr) *netlink.Addr {
	bits := a.BitLen()
	return &netlink.Addr{IPNet: &net.IPNet{IP: a.AsSlice(), Mask: net.CIDRMask(bits, bits)}, LinkIndex: l.index}
}
