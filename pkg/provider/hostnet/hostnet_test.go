package hostnet

import (
	"net/netip"
	"testing"
)

func TestHidden(t *testing.T) {
	t.Parallel()
	uses := []Use{
		{netip.MustParsePrefix("192.168.1.0/24"), "this host's eth0"},
		{netip.MustParsePrefix("192.168.1.7/32"), "this host's route by eth0"},
		{netip.MustParsePrefix("10.0.0.0/8"), "this host's route by tun0"},
		{netip.MustParsePrefix("10.1.0.0/16"), "this host's route by tun1"},
		{netip.MustParsePrefix("fd00::/8"), "a route of this host"},
		{netip.MustParsePrefix("172.16.1.0/24"), "a"}, {netip.MustParsePrefix("172.16.2.0/24"), "b"},
		{netip.MustParsePrefix("172.16.3.0/24"), "c"}, {netip.MustParsePrefix("172.16.4.0/24"), "d"}, {netip.MustParsePrefix("172.16.5.0/24"), "e"},
	}
	const rest = ": pods cannot reach the addresses there; if they must, choose another subnet in the configuration file"
	for _, test := range []struct {
		subnets []string
		want    string
	}{
		{nil, ""},
		{[]string{"172.30.0.0/16", "fc00::/16"}, ""},
		{[]string{"10.244.0.0/16"}, "podSubnet 10.244.0.0/16 overlaps 10.0.0.0/8 of this host's route by tun0" + rest},
		{[]string{"192.168.0.0/16"}, "podSubnet 192.168.0.0/16 overlaps 192.168.1.0/24 of this host's eth0" + rest},
		{[]string{"10.244.0.0/16", "fd00:10:244::/56"}, "podSubnet 10.244.0.0/16 overlaps 10.0.0.0/8 of this host's route by tun0" + rest + "\npodSubnet fd00:10:244::/56 overlaps fd00::/8 of a route of this host" + rest},
		{[]string{"172.16.0.0/12"}, "podSubnet 172.16.0.0/12 overlaps 172.16.1.0/24 of a, 172.16.2.0/24 of b, 172.16.3.0/24 of c, 2 more" + rest},
	} {
		var subnets []netip.Prefix
		for _, s := range test.subnets {
			subnets = append(subnets, netip.MustParsePrefix(s))
		}
		got := ""
		if err := Hidden("podSubnet", subnets, uses); err != nil {
			got = err.Error()
		}
		if got != test.want {
			t.Errorf("Hidden(%v) =\n%s\nwant\n%s", test.subnets, got, test.want)
		}
	}
}

func TestOverlaps(t *testing.T) {
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
	} {
		var taken []Use
		for _, s := range test.taken {
			taken = append(taken, Use{Subnet: netip.MustParsePrefix(s)})
		}
		if got := Overlaps(subnet, Subnets(taken)); got != test.want {
			t.Errorf("Overlaps(%s, %v) = %t; want %t", subnet, test.taken, got, test.want)
		}
	}
}

// TestEverywhere checks that a default route occupies no network, and neither do the parts that
// VPNs write instead of it.
func TestEverywhere(t *testing.T) {
	t.Parallel()
	for prefix, want := range map[string]bool{
		"0.0.0.0/0": true, "0.0.0.0/1": true, "128.0.0.0/1": true, "64.0.0.0/2": true, "8.0.0.0/5": true, "10.0.0.0/7": true,
		"10.0.0.0/8": false, "10.89.0.0/18": false, "10.89.0.1/32": false,
		"::/0": true, "::/1": true, "8000::/1": true, "2000::/3": true, "fc00::/7": false, "fd00::/8": false,
	} {
		if got := everywhere(netip.MustParsePrefix(prefix)); got != want {
			t.Errorf("everywhere(%s) = %t; want %t", prefix, got, want)
		}
	}
}
