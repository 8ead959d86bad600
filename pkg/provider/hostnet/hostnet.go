// Package hostnet is which addresses this machine knows a way to: those of its own
// links, and those that its routes lead to. A cluster's network must not hide them.
package hostnet

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
)

// A Use is a subnet that something of this machine uses.
type Use struct {
	Subnet netip.Prefix
	// By names what uses it, as in "this host's eth0".
	By string
}

// Subnets are the subnets of uses.
func Subnets(uses []Use) []netip.Prefix {
	var list []netip.Prefix
	for _, u := range uses {
		list = append(list, u.Subnet)
	}
	return list
}

// Networks is what a provider sees of this machine's networks. Tests have others.
type Networks struct {
	// Addresses are the subnets of the machine's own links.
	Addresses func() ([]Use, error)
	// Routes are the subnets that routes of any table lead to, such as a VPN's. Those
	// that lead to all the world are left out.
	Routes func() ([]Use, error)
}

// Here is this machine's.
func Here() Networks { return Networks{addresses, routes} }

func addresses() ([]Use, error) {
	interfaces, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("listing this host's networks: %w", err)
	}
	var list []Use
	for _, i := range interfaces {
		addrs, err := i.Addrs()
		if err != nil {
			continue // it went away in between
		}
		for _, a := range addrs {
			if prefix, err := netip.ParsePrefix(a.String()); err == nil && routable(prefix.Addr()) {
				list = append(list, Use{prefix.Masked(), "this host's " + i.Name})
			}
		}
	}
	return list, nil
}

// routable leaves out what no network of a cluster can have.
func routable(a netip.Addr) bool {
	return !a.IsLoopback() && !a.IsMulticast() && !a.IsLinkLocalUnicast()
}

// The shortest prefixes of networks that somebody owns: 10.0.0.0/8, and fc00::/7. VPNs
// that take over everything write the default route as two halves, or as more and
// smaller parts.
const (
	shortest4 = 8
	shortest6 = 7
)

// everywhere tells whether a route is the default one or a large part of it.
func everywhere(p netip.Prefix) bool {
	if p.Addr().Is4() {
		return p.Bits() < shortest4
	}
	return p.Bits() < shortest6
}

// Overlaps tells whether a subnet overlaps one of a list.
func Overlaps(p netip.Prefix, list []netip.Prefix) bool {
	return slices.ContainsFunc(list, p.Overlaps)
}

// Hidden names the uses that the subnets of a field of the configuration overlap, an
// error for each subnet: pods do not reach what has the same addresses as they.
func Hidden(field string, subnets []netip.Prefix, uses []Use) error {
	var errs []error
	for _, s := range subnets {
		if others := overlapping(s, uses); others != "" {
			errs = append(errs, fmt.Errorf("%s %s overlaps %s: pods cannot reach the addresses there; if they must, choose another subnet in the configuration file", field, s, others))
		}
	}
	return errors.Join(errs...)
}

// overlapping lists the uses that a subnet overlaps, the largest first.
func overlapping(subnet netip.Prefix, uses []Use) string {
	const most = 3
	uses = slices.Clone(uses)
	slices.SortStableFunc(uses, func(a, b Use) int {
		return cmp.Or(a.Subnet.Bits()-b.Subnet.Bits(), a.Subnet.Addr().Compare(b.Subnet.Addr()))
	})
	var names []string
	var named []netip.Prefix
	for _, u := range uses {
		if subnet.Overlaps(u.Subnet) && !Overlaps(u.Subnet, named) {
			named = append(named, u.Subnet)
			names = append(names, fmt.Sprintf("%s of %s", u.Subnet, u.By))
		}
	}
	if len(names) > most {
		names = append(names[:most], fmt.Sprintf("%d more", len(names)-most))
	}
	return strings.Join(names, ", ")
}
