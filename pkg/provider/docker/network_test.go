package docker

import (
	"net/netip"
	"testing"

	"github.com/mkube/mkube/pkg/config"
)

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

func TestNetworkName(t *testing.T) {
	t.Parallel()
	if got := networkName("dev"); got != "mkube-dev" {
		t.Errorf("networkName = %s", got)
	}
}
