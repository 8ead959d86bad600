package docker

import (
	"net/netip"
	"testing"

	"github.com/mkube/mkube/pkg/config"
)

func TestNthSubnets(t *testing.T) {
	t.Parallel()
	for i, want := range map[int]string{0: "10.89.0.0/24", 1: "10.89.1.0/24", 255: "10.89.255.0/24"} {
		got := nthSubnets(i, false)
		if len(got) != 1 || got[0].String() != want || !pool.Overlaps(got[0]) {
			t.Errorf("nthSubnets(%d) = %s; want %s", i, got, want)
		}
		both := nthSubnets(i, true)
		if len(both) != 2 || both[0] != got[0] || both[1].Bits() != 64 || !pool6.Overlaps(both[1]) {
			t.Errorf("nthSubnets(%d) with IPv6 = %s", i, both)
		}
	}
	if a, b := nthSubnets(1, true)[1], nthSubnets(2, true)[1]; a.Overlaps(b) {
		t.Errorf("%s and %s overlap", a, b)
	}
}

func TestNodeAddrs(t *testing.T) {
	t.Parallel()
	subnets := []netip.Prefix{netip.MustParsePrefix("10.89.7.0/24"), netip.MustParsePrefix("fd89::/64")}
	for family, want := range map[config.IPFamily]string{
		config.IPv4: "10.89.7.3", config.IPv6: "fd89::3", config.DualStack: "10.89.7.3,fd89::3",
	} {
		cfg := config.Cluster{Networking: config.Networking{IPFamily: family}}.Default()
		if got := joinAddrs(nodeAddrs(cfg, 1, subnets)); got != want {
			t.Errorf("a node of an %s cluster has %s; want %s", family, got, want)
		}
	}
	if got := attachment(1, subnets); got.IPv4Address != "10.89.7.3" || got.IPv6Address != "fd89::3" {
		t.Errorf("it is attached as %+v", got)
	}
	if got := parseAddrs(joinAddrs([]netip.Addr{subnets[0].Addr(), subnets[1].Addr()})); len(got) != 2 || got[1] != subnets[1].Addr() {
		t.Errorf("a label's addresses are read as %s", got)
	}
}

func TestNodeAddr(t *testing.T) {
	t.Parallel()
	subnet := netip.MustParsePrefix("10.89.7.0/24")
	for i, want := range map[int]string{0: "10.89.7.2", 1: "10.89.7.3", 252: "10.89.7.254"} {
		if got := nodeAddr(subnet, i); got.String() != want || !subnet.Contains(got) {
			t.Errorf("nodeAddr(%d) = %s; want %s", i, got, want)
		}
	}
}

func TestOverlapsAny(t *testing.T) {
	t.Parallel()
	subnet := netip.MustParsePrefix("10.89.7.0/24")
	for _, test := range []struct {
		taken []string
		want  bool
	}{
		{nil, false},
		{[]string{"10.89.6.0/24", "10.89.8.0/24", "fd00::/8"}, false},
		{[]string{"192.168.0.0/16", "10.89.7.0/24"}, true},
		{[]string{"10.0.0.0/8"}, true},
		{[]string{"10.89.7.128/25"}, true},
		{[]string{"10.89.7.9/24"}, true}, // an address of the host, with its mask
		{[]string{"0.0.0.0/0"}, true},
	} {
		var taken []netip.Prefix
		for _, s := range test.taken {
			taken = append(taken, netip.MustParsePrefix(s))
		}
		if got := overlapsAny(subnet, taken); got != test.want {
			t.Errorf("overlapsAny(%s, %v) = %t; want %t", subnet, test.taken, got, test.want)
		}
	}
}

func TestNetworkName(t *testing.T) {
	t.Parallel()
	if got := networkName("dev"); got != "mkube-dev" {
		t.Errorf("networkName = %s", got)
	}
}
