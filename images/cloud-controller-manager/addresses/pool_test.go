package addresses_test

import (
	"net/netip"
	"testing"

	"github.com/mkube/mkube/images/cloud-controller-manager/addresses"
)

func TestOf(t *testing.T) {
	t.Parallel()
	for network, want := range map[string]string{
		"10.89.3.0/24":      "10.89.3.192-10.89.3.254",
		"10.89.3.7/24":      "10.89.3.192-10.89.3.254",
		"172.18.0.0/16":     "172.18.192.0-172.18.195.255",
		"10.0.0.0/20":       "10.0.12.0-10.0.15.254",
		"192.168.1.16/28":   "192.168.1.28-192.168.1.30",
		"192.168.1.16/29":   "no address",
		"10.0.0.1/32":       "no address",
		"fd00:10:89:3::/64": "fd00:10:89:3:c000::-fd00:10:89:3:c000::3ff",
		"fd00::/120":        "fd00::c0-fd00::ff",
		"fd00::1/128":       "no address",
	} {
		if got := addresses.Of(netip.MustParsePrefix(network)).String(); got != want {
			t.Errorf("the pool of %s is %s; want %s", network, got, want)
		}
	}
}

func TestContains(t *testing.T) {
	t.Parallel()
	p := addresses.Of(netip.MustParsePrefix("10.89.3.0/24"))
	for a, want := range map[string]bool{
		"10.89.3.191": false, "10.89.3.192": true, "10.89.3.254": true, "10.89.3.255": false,
		"10.89.4.200": false, "::ffff:10.89.3.200": false, "fd00::c0": false,
	} {
		if got := p.Contains(netip.MustParseAddr(a)); got != want {
			t.Errorf("%s contains %s: %t; want %t", p, a, got, want)
		}
	}
	if (addresses.Pool{}).Contains(netip.MustParseAddr("10.0.0.1")) {
		t.Error("no pool contains an address")
	}
}

func TestFree(t *testing.T) {
	t.Parallel()
	p := addresses.Of(netip.MustParsePrefix("192.168.1.16/28"))
	used := map[netip.Addr]bool{}
	var got []string
	for {
		a, ok := p.Free(func(a netip.Addr) bool { return used[a] })
		if !ok {
			break
		}
		used[a] = true
		got = append(got, a.String())
	}
	if len(got) != 3 || got[0] != "192.168.1.28" || got[2] != "192.168.1.30" {
		t.Errorf("one after the other the free addresses are %q", got)
	}
}

func TestPools(t *testing.T) {
	t.Parallel()
	pools := addresses.PoolsOf([]netip.Prefix{
		netip.MustParsePrefix("10.0.0.1/32"), netip.MustParsePrefix("10.89.0.2/24"), netip.MustParsePrefix("fd00:1::2/64"),
		netip.MustParsePrefix("10.90.0.2/24"), netip.MustParsePrefix("fd00:2::2/64"),
	})
	if len(pools) != 2 {
		t.Fatalf("pools = %v; want one of each family", pools)
	}
	for a, want := range map[string]bool{"10.89.0.200": true, "10.90.0.200": false, "fd00:1::c000:0:0:5": true, "fd00:2::c000:0:0:5": false} {
		if got := pools.Contains(netip.MustParseAddr(a)); got != want {
			t.Errorf("pools contain %s: %t; want %t", a, got, want)
		}
	}
	if p, ok := pools.Of(true); !ok || p.First.String() != "10.89.0.192" {
		t.Errorf("the IPv4 pool is %s, %t", p, ok)
	}
	if p, ok := pools[:1].Of(false); ok {
		t.Errorf("there is an IPv6 pool: %s", p)
	}
}

func TestSort(t *testing.T) {
	t.Parallel()
	a, b, c := netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("10.0.0.10"), netip.MustParseAddr("fd00::1")
	if got := addresses.Sort([]netip.Addr{c, b, a, b}); len(got) != 3 || got[0] != a || got[1] != b || got[2] != c {
		t.Errorf("sorted: %v", got)
	}
}
