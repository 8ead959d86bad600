package config

import (
	"cmp"
	"fmt"
	"net/netip"
	"regexp"
	"slices"

	"k8s.io/apimachinery/pkg/api/validate/content"
	"k8s.io/apimachinery/pkg/util/validation"
)

// A socket is the address, port and protocol that a published port uses on the host.
type socket struct {
	addr     netip.Addr
	port     int32
	protocol string
}

func (s socket) String() string {
	return fmt.Sprintf("%s/%s", netip.AddrPortFrom(s.addr, uint16(s.port)), s.protocol)
}

// everywhere returns the socket on all addresses of the family: 0.0.0.0 or [::].
func (s socket) everywhere() socket {
	if s.addr.Is4() {
		s.addr = netip.IPv4Unspecified()
	} else {
		s.addr = netip.IPv6Unspecified()
	}
	return s
}

// sockets contains the used sockets and the fields that use them. A socket on all addresses and one
// on a single address exclude each other.
type sockets struct {
	taken  map[socket]string
	onPort map[socket]string // the first field on any address, by everywhere
}

// take reserves a socket for the field at path. If another field uses it already, take returns that
// field, otherwise "".
func (s sockets) take(path string, want socket) string {
	all := want.everywhere()
	owner := s.taken[want]
	if owner == "" {
		owner = s.taken[all]
	}
	if owner == "" && want == all {
		owner = s.onPort[all]
	}
	if owner != "" {
		return owner
	}
	s.taken[want] = path
	if s.onPort[all] == "" {
		s.onPort[all] = path
	}
	return ""
}

// ports checks everything that the cluster publishes on the host, for all nodes together.
func (m *mistakes) ports(c Cluster) {
	s := sockets{taken: map[socket]string{}, onPort: map[socket]string{}}
	addr, addrOK := m.address("networking.apiServerAddress", c.Networking.APIServerAddress)
	m.certSANs("networking.apiServerCertSANs", c.Networking.APIServerCertSANs)
	if m.port("networking.apiServerPort", c.Networking.APIServerPort, 0) && addrOK && c.Networking.APIServerPort != 0 {
		s.take("networking.apiServerPort", socket{addr, c.Networking.APIServerPort, "TCP"})
	}
	for i, n := range c.Nodes {
		for j, p := range n.ExtraPortMappings {
			m.portMapping(itemPath(fieldPath(itemPath("nodes", i), "extraPortMappings"), j), p, s)
		}
	}
}

func (m *mistakes) portMapping(path string, p PortMapping, s sockets) {
	m.port(fieldPath(path, "containerPort"), p.ContainerPort, 1)
	portOK := m.port(fieldPath(path, "hostPort"), p.HostPort, 0)
	addr, addrOK := m.address(fieldPath(path, "listenAddress"), p.ListenAddress)
	protocolOK := m.oneOf(fieldPath(path, "protocol"), p.Protocol, "TCP", "UDP", "SCTP")
	if !portOK || !addrOK || !protocolOK || p.HostPort == 0 {
		return
	}
	want := socket{addr, p.HostPort, p.Protocol}
	if owner := s.take(path, want); owner != "" {
		m.addf(path, "uses %s of the host, which %s already uses: choose another hostPort", want, owner)
	}
}

// port reports whether a port is valid and at least as large as least, and adds a mistake if not.
func (m *mistakes) port(path string, port, least int32) bool {
	if port >= least && port <= 65535 {
		return true
	}
	m.addf(path, "must be a port from %d to 65535, not %d", least, port)
	return false
}

// address parses an address of the host, and reports whether it is valid. An empty address counts
// as the loopback address, which is the most frequent default.
func (m *mistakes) address(path, value string) (netip.Addr, bool) {
	addr, err := netip.ParseAddr(cmp.Or(value, Loopback))
	if err != nil || addr.Zone() != "" {
		m.addf(path, `must be an IP address of the host such as "127.0.0.1", not %s`, quote(value))
		return netip.Addr{}, false
	}
	return addr.Unmap(), true
}

// endsInNumber matches an address with a mistake in it: no domain ends in a number.
var endsInNumber = regexp.MustCompile(`(^|\.)[0-9]+$`)

// certSANs checks names and addresses by the rules of kubeadm for its certSANs.
func (m *mistakes) certSANs(path string, names []string) {
	for i, name := range names {
		item := itemPath(path, i)
		addr, err := netip.ParseAddr(name)
		isAddr := err == nil && addr.Zone() == ""
		isName := len(content.IsDNS1123Subdomain(name)) == 0 || len(validation.IsWildcardDNS1123Subdomain(name)) == 0
		isName = isName && !endsInNumber.MatchString(name)
		switch {
		case !isAddr && !isName:
			m.addf(item, `must be an IP address or a lower-case host name, such as "192.0.2.7" or "api.example.com", not %s`, quote(name))
		case slices.Contains(names[:i], name):
			m.addf(item, "names %s again", quote(name))
		}
	}
}
