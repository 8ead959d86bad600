package docker

import (
	"net/netip"
	"testing"

	"github.com/mkube/mkube/pkg/provider/hostnet"
)

func TestNthSubnets(t *testing.T) {
	t.Parallel()
	for i, want := range map[int][2]string{
		0: {"10.89.0.0/24", "fd4d:5ab1:b9e4::/64"}, 1: {"10.89.1.0/24", "fd4d:5ab1:b9e4:1::/64"},
		255: {"10.89.255.0/24", "fd4d:5ab1:b9e4:ff::/64"}, 256: {"198.19.0.0/24", "fd4d:5ab1:b9e4:100::/64"},
		511: {"198.19.255.0/24", "fd4d:5ab1:b9e4:1ff::/64"},
	} {
		if v4, v6 := subnet4(i), subnet6(i); v4.String() != want[0] || v6.String() != want[1] || !pools[i/256].Overlaps(v4) || !pool6.Overlaps(v6) {
			t.Errorf("the %d-th subnets are %s and %s; want %s", i, v4, v6, want)
		}
	}
}

// TestFreeSubnets checks which subnet a cluster gets: the first free one. Used subnets are never
// tried, and subnets in routes are tried last.
func TestFreeSubnets(t *testing.T) {
	t.Parallel()
	list := func(subnets ...string) []hostnet.Use {
		uses, _ := uses(subnets...)() // the error is always nil
		return uses
	}
	own := []netip.Prefix{netip.MustParsePrefix("10.89.1.0/24")}
	for name, test := range map[string]struct {
		taken       occupied
		v6          bool
		first, last string
		count       int
	}{
		"nothing is taken":           {occupied{}, false, "10.89.0.0/24", "198.19.255.0/24", 512},
		"networks, links, the own":   {occupied{networks: list("10.89.0.0/24"), addresses: list("10.89.2.0/23"), own: own}, false, "10.89.4.0/24", "198.19.255.0/24", 508},
		"a VPN":                      {occupied{routes: list("10.89.0.0/18")}, false, "10.89.64.0/24", "10.89.63.0/24", 512},
		"a VPN to all of 10.0.0.0":   {occupied{routes: list("10.0.0.0/8")}, false, "198.19.0.0/24", "10.89.255.0/24", 512},
		"a VPN, and networks beside": {occupied{routes: list("10.0.0.0/8"), networks: list("198.18.0.0/15")}, false, "10.89.0.0/24", "10.89.255.0/24", 256},
		"routes to all":              {occupied{routes: list("10.0.0.0/8", "198.0.0.0/8")}, false, "10.89.0.0/24", "198.19.255.0/24", 512},
		"all is taken":               {occupied{addresses: list("10.0.0.0/8", "198.18.0.0/15")}, false, "", "", 0},
		"both families":              {occupied{}, true, "10.89.0.0/24 fd4d:5ab1:b9e4::/64", "198.19.255.0/24 fd4d:5ab1:b9e4:1ff::/64", 512},
		"one of them is routed":      {occupied{routes: list("fd4d:5ab1:b9e4::/63")}, true, "10.89.0.0/24 fd4d:5ab1:b9e4:2::/64", "198.19.255.0/24 fd4d:5ab1:b9e4:1::/64", 512},
		"one of them is all taken":   {occupied{addresses: list("fd00::/8")}, true, "", "", 0},
	} {
		first, last, count := "", "", 0
		for subnets := range test.taken.free(test.v6) {
			last = subnets[0].String()
			if len(subnets) > 1 {
				last += " " + subnets[1].String()
			}
			if count == 0 {
				first = last
			}
			count++
		}
		if first != test.first || last != test.last || count != test.count {
			t.Errorf("%s: %d subnets, from %s to %s; want %d, from %s to %s", name, count, first, last, test.count, test.first, test.last)
		}
		if _, ok := test.taken.first(test.v6); ok != (test.count > 0) {
			t.Errorf("%s: there is a first: %t", name, ok)
		}
	}
}
