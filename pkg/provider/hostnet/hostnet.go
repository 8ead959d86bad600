// Package hostnet finds the addresses that this host can reach: those of its own links, and those
// that its routes lead to. A cluster's network must not hide them.
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

// A Use is a subnet that this host uses.
type Use struct {
	Subnet netip.Prefix
	// By names the user of the subnet, for example "this host's eth0".
	By string
}

// Subnets returns the subnets of uses.
func Subnets(uses []Use) []netip.Prefix {
	var list []netip.Prefix
	for _, u := range uses {
		list = append(list, u.Subnet)
	}
	return list
}

// Networks returns the host's networks to a provider. Tests replace the functions.
type Networks struct {
	// Addresses returns the subnets of the host's own links.
	Addresses func() ([]Use, error)
	// Routes returns the subnets that the routes of all tables lead to, such as those of a VPN. It
	// leaves out routes to the whole world, see everywhere.
	Routes func() ([]Use, error)
}

// Here returns the networks of this host.
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
			continue // the interface was removed in the meantime
		}
		for _, a := range addrs {
			if prefix, err := netip.ParsePrefix(a.String()); err == nil && routable(prefix.Addr()) {
				list = append(list, Use{prefix.Masked(), "this host's " + i.Name})
			}
		}
	}
	return list, nil
}

// routable reports whether a network of a cluster can have an address: not loopback, multicast or
// link-local.
func routable(a netip.Addr) bool {
	return !a.IsLoopback() && !a.IsMulticast() && !a.IsLinkLocalUnicast()
}

// The shortest prefixes of private networks: 10.0.0.0/8 and fc00::/7. A VPN that takes over all
// traffic writes the default route as two halves, or as several smaller parts. Their prefixes are
// shorter.
const (
	shortest4 = 8
	shortest6 = 7
)

// everywhere reports whether a route is the default route or a large part of it.
func everywhere(p netip.Prefix) bool {
	if p.Addr().Is4() {
		return p.Bits() < shortest4
	}
	return p.Bits() < shortest6
}

// Overlaps reports whether a subnet overlaps one of a list.
func Overlaps(p netip.Prefix, list []netip.Prefix) bool {
	return slices.ContainsFunc(list, p.Overlaps)
}

// Hidden returns an error for each subnet that overlaps uses, and names them. field is the field of
// the configuration that contains the subnets. Pods cannot reach hosts with addresses in the
// subnets of their own cluster.
func Hidden(field string, subnets []netip.Prefix, uses []Use) error {
	var errs []error
	for _, s := range subnets {
		if others := overlapping(s, uses); others != "" {
			errs = append(errs, fmt.Errorf("%s %s overlaps %s: pods cannot reach the addresses there; if they must, choose another subnet in the configuration file", field, s, others))
		}
	}
	return errors.Join(errs...)
}

// overlapping returns a list of the uses that a subnet overlaps, the largest first. It leaves out a
// use that overlaps one that is named already.
func overlapping(subnet netip.Prefix, uses []Use) string {
	const most = 3 // more names would make the error too long to read
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
