// Package link is the network interface by which a node is on the cluster's network:
// it takes addresses of Services, lets go of them, and tells the network.
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

// Link is one interface. It is not to be used from several goroutines at once.
type Link struct {
	name     string
	index    int
	hardware net.HardwareAddr
	networks []netip.Prefix
}

// Find is the interface that has an address.
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
	return nil, fmt.Errorf("no interface of this node has the address %s: give the node's own by --node-ip", address)
}

// networksOf are an interface's addresses with their networks' lengths.
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

// Pools are the addresses of the interface's networks that Services get.
func (l *Link) Pools() addresses.Pools { return addresses.PoolsOf(l.networks) }

// String is the interface's name.
func (l *Link) String() string { return l.name }

// lifetime is for how many seconds the kernel keeps an address that is not held
// again: one of a program that died does not stay behind. It is several times what
// passes between two calls of Hold.
const lifetime = 5

// Hold makes an address one of the interface's, for five seconds from now on.
func (l *Link) Hold(a netip.Addr) error {
	// Preferred for no second, it is not chosen as the source of the node's own
	// connections. It is nobody else's for sure once it is ours: asking the network
	// first (duplicate address detection) would cost a second.
	addr := l.address(a)
	addr.ValidLft, addr.PreferedLft = lifetime, 0
	addr.Flags = unix.IFA_F_NODAD | unix.IFA_F_NOPREFIXROUTE
	if err := netlink.AddrReplace(nil, addr); err != nil {
		return fmt.Errorf("adding %s to %s: %w", a, l.name, err)
	}
	return nil
}

// Release takes an address from the interface. One that it does not have is no error.
func (l *Link) Release(a netip.Addr) error {
	err := netlink.AddrDel(nil, l.address(a))
	if err != nil && !errors.Is(err, syscall.EADDRNOTAVAIL) {
		return fmt.Errorf("removing %s from %s: %w", a, l.name, err)
	}
	return nil
}

// Held are the interface's addresses that are Services'.
func (l *Link) Held() ([]netip.Addr, error) {
	i, err := net.InterfaceByIndex(l.index)
	if err != nil {
		return nil, fmt.Errorf("looking at %s: %w", l.name, err)
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
