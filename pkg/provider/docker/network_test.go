package docker

import (
	"net/netip"
	"testing"
)

func TestNthSubnet(t *testing.T) {
	t.Parallel()
	for i, want := range map[int]string{0: "10.89.0.0/24", 1: "10.89.1.0/24", 255: "10.89.255.0/24"} {
		if got := nthSubnet(i); got.String() != want || !pool.Overlaps(got) {
			t.Errorf("nthSubnet(%d) = %s; want %s", i, got, want)
		}
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
