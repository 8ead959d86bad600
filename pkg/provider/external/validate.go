package external

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/provider"
)

// wanted is a node as the configuration requests it.
type wanted struct {
	name string
	role config.Role
}

// allOf returns the nodes of a configuration.
func allOf(cfg config.Cluster) []wanted {
	var list []wanted
	for i, name := range cfg.NodeNames() {
		list = append(list, wanted{name, cfg.Nodes[i].Role})
	}
	return list
}

// asWanted returns nodes in the order of the requested ones, and an error for each difference: a
// node that is missing, was not requested, or has other properties than requested.
func asWanted(list []Node, want []wanted, networking config.Networking) ([]Node, []error) {
	errs := plausible(list)
	var ordered []Node
	for _, w := range want {
		i := slices.IndexFunc(list, func(n Node) bool { return n.Name == w.name })
		if i < 0 {
			errs = append(errs, fmt.Errorf("node %q is missing", w.name))
			continue
		}
		n := list[i]
		ordered = append(ordered, n)
		if n.Role != w.role {
			errs = append(errs, fmt.Errorf("node %q has the role %q instead of %q", n.Name, n.Role, w.role))
		}
		if err := rightFamilies(n, networking); err != nil {
			errs = append(errs, err)
		}
		if missing := missingVersions(n.Versions); len(missing) > 0 {
			errs = append(errs, fmt.Errorf("node %q has no version of %s", n.Name, strings.Join(missing, ", ")))
		}
	}
	for _, n := range list {
		if !slices.ContainsFunc(want, func(w wanted) bool { return w.name == n.Name }) {
			errs = append(errs, fmt.Errorf("node %q was not requested", n.Name))
		}
	}
	return ordered, errs
}

// rightFamilies compares the families of a node's addresses with those of the pod network.
func rightFamilies(n Node, networking config.Networking) error {
	var want, have []string
	for _, subnet := range networking.PodSubnets() {
		want = append(want, family(subnet.Addr()))
	}
	for _, a := range n.Addresses {
		have = append(have, family(a))
	}
	if len(have) == 0 || slices.Equal(have, want) {
		return nil // no address at all is reported by plausible
	}
	return fmt.Errorf("node %q has addresses of %s instead of %s", n.Name, strings.Join(have, ", "), strings.Join(want, ", "))
}

func family(a netip.Addr) string {
	if a.Unmap().Is4() {
		return "IPv4"
	}
	return "IPv6"
}

// nodeName matches a host name of one label.
var nodeName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)

// plausible returns an error for each property of the nodes that is invalid for every request.
func plausible(list []Node) []error {
	var errs []error
	names, owners := map[string]bool{}, map[netip.Addr]*Node{}
	for i, n := range list {
		if !nodeName.MatchString(n.Name) {
			errs = append(errs, fmt.Errorf("a node has the invalid name %q", n.Name))
		}
		if names[n.Name] {
			errs = append(errs, fmt.Errorf("node %q is listed twice", n.Name))
			continue
		}
		names[n.Name] = true
		if rank(n.Role) < 0 {
			errs = append(errs, fmt.Errorf("node %q has the unknown role %q", n.Name, n.Role))
		}
		errs = append(errs, addressErrors(&list[i], owners)...)
	}
	return errs
}

// addressErrors returns the errors in a node's addresses, and adds the valid ones to owners.
func addressErrors(n *Node, owners map[netip.Addr]*Node) []error {
	if len(n.Addresses) == 0 {
		return []error{fmt.Errorf("node %q has no address", n.Name)}
	}
	var errs []error
	for _, a := range n.Addresses {
		a = a.Unmap()
		switch {
		case !a.IsValid():
			errs = append(errs, fmt.Errorf("node %q has an empty address", n.Name))
		case a.IsUnspecified(), a.IsLoopback(), a.IsMulticast(), a.Zone() != "":
			errs = append(errs, fmt.Errorf("node %q has the address %s, at which no other node reaches it", n.Name, a))
		case owners[a] == n:
			errs = append(errs, fmt.Errorf("node %q has the address %s twice", n.Name, a))
		case owners[a] != nil:
			errs = append(errs, fmt.Errorf("nodes %q and %q both have the address %s", owners[a].Name, n.Name, a))
		default:
			owners[a] = n
		}
	}
	return errs
}

// missingVersions returns the names, as in the protocol, of the versions that are empty.
func missingVersions(v provider.Versions) []string {
	var list []string
	for _, version := range []struct{ name, value string }{
		{"kubernetes", v.Kubernetes}, {"etcd", v.Etcd}, {"coreDNS", v.CoreDNS},
		{"pause", v.Pause}, {"localPath", v.LocalPath}, {"metricsServer", v.MetricsServer},
	} {
		if version.value == "" {
			list = append(list, version.name)
		}
	}
	return list
}

// hostName matches a host name, which may be in an endpoint instead of an address.
var hostName = regexp.MustCompile(`^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$`)

// endpointError returns an error if text is not host:port.
func endpointError(text string) error {
	if text == "" {
		return errors.New("it ended without an endpoint")
	}
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		return fmt.Errorf("its endpoint %q is not host:port", text)
	}
	if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
		return fmt.Errorf("its endpoint %q has no port between 1 and 65535", text)
	}
	if a, err := netip.ParseAddr(host); err == nil && a.IsUnspecified() {
		return fmt.Errorf("its endpoint %q is not an address to connect to", text)
	} else if err != nil && !hostName.MatchString(host) {
		return fmt.Errorf("its endpoint %q has no valid host", text)
	}
	return nil
}
