package networkpolicies

import (
	"net/netip"
	"testing"
)

func TestRender(t *testing.T) {
	t.Parallel()
	const begin = "*mangle\n:MKUBE-POLICIES - [0:0]\n:MKUBE-POLICIES-FROM - [0:0]\n:MKUBE-POLICIES-TO - [0:0]\n"
	const linkLocal = "-A MKUBE-POLICIES -s fe80::/10 -m conntrack --ctstate NEW,INVALID -j DROP\n" +
		"-A MKUBE-POLICIES -d fe80::/10 -m conntrack --ctstate NEW,INVALID -j DROP\n"
	const end = "-A MKUBE-POLICIES-FROM -j NFQUEUE --queue-num 102\n-A MKUBE-POLICIES-TO -j NFQUEUE --queue-num 102\nCOMMIT\n"
	jumps := func(cidr string) string {
		return "-A MKUBE-POLICIES -s " + cidr + " -m conntrack --ctstate NEW,INVALID -j MKUBE-POLICIES-FROM\n" +
			"-A MKUBE-POLICIES -d " + cidr + " -m conntrack --ctstate NEW,INVALID -j MKUBE-POLICIES-TO\n"
	}
	exempt := func(ip string) string {
		return "-A MKUBE-POLICIES-FROM -s " + ip + " -j RETURN\n-A MKUBE-POLICIES-TO -d " + ip + " -j RETURN\n"
	}
	four, both := []netip.Prefix{netip.MustParsePrefix("10.244.0.0/24")}, []netip.Prefix{netip.MustParsePrefix("10.244.0.0/24"), netip.MustParsePrefix("fd00::/64")}
	ips := []netip.Addr{netip.MustParseAddr("10.244.0.17"), netip.MustParseAddr("fd00::7"), netip.MustParseAddr("10.244.0.3")}
	for name, test := range map[string]struct {
		rules ruleset
		ipv6  bool
		want  string
	}{
		"no policy":               {ruleset{cidrs: four}, false, begin + "COMMIT\n"},
		"no policy, IPv6":         {ruleset{cidrs: both}, true, begin + "COMMIT\n"},
		"nobody is exempt":        {ruleset{cidrs: four, policies: true}, false, begin + jumps("10.244.0.0/24") + end},
		"IPv4":                    {ruleset{both, true, ips}, false, begin + jumps("10.244.0.0/24") + exempt("10.244.0.3") + exempt("10.244.0.17") + end},
		"IPv6":                    {ruleset{both, true, ips}, true, begin + linkLocal + jumps("fd00::/64") + exempt("fd00::7") + end},
		"IPv6 of an IPv4 cluster": {ruleset{cidrs: four, policies: true}, true, begin + linkLocal + end},
		"IPv4 of an IPv6 cluster": {ruleset{cidrs: both[1:], policies: true}, false, begin + end},
	} {
		if got := test.rules.render(test.ipv6); got != test.want {
			t.Errorf("%s:\n%swant\n%s", name, got, test.want)
		}
	}
}
