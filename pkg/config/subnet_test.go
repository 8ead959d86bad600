package config

import (
	"fmt"
	"net/netip"
	"reflect"
	"testing"
)

func TestServiceIPs(t *testing.T) {
	t.Parallel()
	tests := []struct{ subnet, apiServer, dns string }{
		{"10.96.0.0/16", "10.96.0.1", "10.96.0.10"},
		{"10.96.0.240/28", "10.96.0.241", "10.96.0.250"},
		{"fd00:10:96::/112", "fd00:10:96::1", "fd00:10:96::a"},
		{"255.255.255.248/29", "255.255.255.249", "invalid IP"}, // it has no tenth address
		{"10.96.0.0/29", "10.96.0.1", "invalid IP"},
		{"", "invalid IP", "invalid IP"},
	}
	for _, tt := range tests {
		n := Networking{ServiceSubnet: tt.subnet}
		if got := n.APIServerServiceIP().String(); got != tt.apiServer {
			t.Errorf("%q: API server at %s, want %s", tt.subnet, got, tt.apiServer)
		}
		if got := n.DNSServiceIP().String(); got != tt.dns {
			t.Errorf("%q: DNS at %s, want %s", tt.subnet, got, tt.dns)
		}
	}
}

func TestPodCIDR(t *testing.T) {
	t.Parallel()
	const none = "invalid Prefix"
	tests := []struct {
		subnet string
		node   int
		want   string
	}{
		{"10.244.0.0/16", 0, "10.244.0.0/24"},
		{"10.244.0.0/16", 1, "10.244.1.0/24"},
		{"10.244.0.0/16", 255, "10.244.255.0/24"},
		{"10.244.0.0/16", 256, none},
		{"10.244.0.0/16", -1, none},
		{"10.0.0.0/8", 256, "10.1.0.0/24"},
		{"10.0.0.0/8", 65535, "10.255.255.0/24"},
		{"10.0.0.0/7", 0, none},
		{"10.244.7.0/24", 0, "10.244.7.0/24"},
		{"10.244.7.0/25", 0, none},
		{"fd00:10:244::/56", 0, "fd00:10:244::/64"},
		{"fd00:10:244::/56", 255, "fd00:10:244:ff::/64"},
		{"fd00:10:244::/56", 256, none},
		{"fd00:10:244::/48", 65535, "fd00:10:244:ffff::/64"},
		{"fd00::/47", 0, none},
		{"fd00::/64", 0, "fd00::/64"},
		{"fd00::/80", 2, "fd00::2:0:0/96"},
		{"fd00::/112", 3, "fd00::300/120"},
		{"fd00::/120", 0, "fd00::/120"},
		{"fd00::/121", 0, none},
		{"", 0, none},
	}
	for _, tt := range tests {
		c := Cluster{Networking: Networking{PodSubnet: tt.subnet}}
		if got := part(c, tt.node).String(); got != tt.want {
			t.Errorf("node %d of %q: got %s, want %s", tt.node, tt.subnet, got, tt.want)
		}
	}
}

// part returns a node's only pod CIDR, invalid if it has none.
func part(c Cluster, node int) netip.Prefix {
	for _, p := range c.PodCIDRs(node) {
		return p
	}
	return netip.Prefix{}
}

func TestDualStack(t *testing.T) {
	t.Parallel()
	c := Cluster{Nodes: make([]Node, 2), Networking: Networking{IPFamily: DualStack}}.Default()
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	for node, want := range map[int]string{0: "[10.244.0.0/24 fd00:10:244::/64]", 1: "[10.244.1.0/24 fd00:10:244:1::/64]"} {
		if got := fmt.Sprint(c.PodCIDRs(node)); got != want {
			t.Errorf("node %d has %s, want %s", node, got, want)
		}
	}
	if got := c.Networking.DNSServiceIP().String(); got != "10.96.0.10" {
		t.Errorf("DNS is at %s", got)
	}
}

// TestFamilies checks that the fields that are set among the three determine the others.
func TestFamilies(t *testing.T) {
	t.Parallel()
	const pods4, pods6, services4, services6 = "10.1.0.0/16", "fd01::/56", "10.2.0.0/16", "fd02::/112"
	for _, tt := range []struct{ given, want Networking }{
		{Networking{}, Networking{IPFamily: IPv4, PodSubnet: "10.244.0.0/16", ServiceSubnet: "10.96.0.0/16"}},
		{Networking{IPFamily: IPv6}, Networking{IPFamily: IPv6, PodSubnet: "fd00:10:244::/56", ServiceSubnet: "fd00:10:96::/112"}},
		{Networking{PodSubnet: pods6}, Networking{IPFamily: IPv6, PodSubnet: pods6, ServiceSubnet: "fd00:10:96::/112"}},
		{Networking{ServiceSubnet: services4}, Networking{IPFamily: IPv4, PodSubnet: "10.244.0.0/16", ServiceSubnet: services4}},
		{
			Networking{PodSubnet: pods6 + "," + pods4, ServiceSubnet: services6 + "," + services4},
			Networking{IPFamily: DualStack, PodSubnet: pods6 + "," + pods4, ServiceSubnet: services6 + "," + services4},
		},
	} {
		c := Cluster{Networking: tt.given}.Default()
		got := Networking{IPFamily: c.Networking.IPFamily, PodSubnet: c.Networking.PodSubnet, ServiceSubnet: c.Networking.ServiceSubnet}
		if !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%+v becomes %+v, want %+v", tt.given, got, tt.want)
		}
		if err := c.Validate(); err != nil {
			t.Errorf("%+v: %v", tt.given, err)
		}
	}
}

// TestPodCIDRsOfValidClusters checks that a subnet that Validate accepts has a part for each node,
// inside the subnet and without an overlap.
func TestPodCIDRsOfValidClusters(t *testing.T) {
	t.Parallel()
	for _, start := range []string{"20.0.0.0", "fd01::"} {
		addr := netip.MustParseAddr(start)
		for bits := range addr.BitLen() + 1 {
			c := Cluster{Nodes: workersAfterOne(5)}.Default()
			c.Networking.PodSubnet = netip.PrefixFrom(addr, bits).Masked().String()
			if addr.Is6() {
				c.Networking.ServiceSubnet, c.Networking.IPFamily = "fd00::/112", IPv6
			}
			if c.Validate() != nil {
				continue
			}
			subnet := netip.MustParsePrefix(c.Networking.PodSubnet)
			for i := range c.Nodes {
				p := part(c, i)
				if !p.IsValid() || p != p.Masked() || !subnet.Contains(p.Addr()) || p.Bits() < subnet.Bits() {
					t.Errorf("%s: node %d has %s", subnet, i, p)
				}
				if i > 0 && p.Overlaps(part(c, i-1)) {
					t.Errorf("%s: nodes %d and %d share %s", subnet, i-1, i, p)
				}
			}
		}
	}
}
