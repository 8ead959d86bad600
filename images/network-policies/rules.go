package networkpolicies

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// chain is the chain of the rules. FORWARD of the table mangle jumps to it. There, a packet to a
// Service already has the address of the endpoint as its destination, and still has the address of
// the client as its source. Packets that the node itself sends to its pods, for example probes, do
// not pass through FORWARD. The chain jumps to from and to, which queue packets from and to pods of
// this node.
const chain, from, to = "MKUBE-POLICIES", "MKUBE-POLICIES-FROM", "MKUBE-POLICIES-TO"

// unknown matches packets that do not belong to an accepted connection.
const unknown = " -m conntrack --ctstate NEW,INVALID"

// linkLocal are the addresses that each pod has beside those of the pod network. They lead to all
// pods of the node.
const linkLocal = "fe80::/10"

// A ruleset is what the rules of a node depend on.
type ruleset struct {
	// cidrs are the addresses of the node's pods.
	cidrs []netip.Prefix
	// policies is set if the cluster has a NetworkPolicy.
	policies bool
	// exempt are the addresses of the node's pods that no policy selects.
	exempt []netip.Addr
}

// render returns the rules of one IP family in the format of iptables-restore. They replace all rules
// of the chains. Without a policy, there are none. Otherwise, they queue the packets from and to the
// addresses of this node's pods, except those of exempt: so the packets of a pod that is new, or that
// is not known, are queued as well. If nobody listens on the queue, the kernel drops the packets.
func (r ruleset) render(ipv6 bool) string {
	var b strings.Builder
	fmt.Fprintf(&b, "*mangle\n:%s - [0:0]\n:%s - [0:0]\n:%s - [0:0]\n", chain, from, to)
	if r.policies {
		r.divert(&b, ipv6)
	}
	b.WriteString("COMMIT\n")
	return b.String()
}

func (r ruleset) divert(b *strings.Builder, ipv6 bool) {
	if ipv6 {
		fmt.Fprintf(b, "-A %s -s %s%s -j DROP\n-A %[1]s -d %[2]s%[3]s -j DROP\n", chain, linkLocal, unknown)
	}
	for _, cidr := range r.cidrs {
		if cidr.Addr().Is6() == ipv6 {
			fmt.Fprintf(b, "-A %s -s %s%s -j %s\n-A %[1]s -d %[2]s%[3]s -j %[5]s\n", chain, cidr, unknown, from, to)
		}
	}
	for _, ip := range slices.SortedFunc(slices.Values(r.exempt), netip.Addr.Compare) {
		if ip.Is6() == ipv6 {
			fmt.Fprintf(b, "-A %s -s %s -j RETURN\n-A %s -d %[2]s -j RETURN\n", from, ip, to)
		}
	}
	fmt.Fprintf(b, "-A %s -j NFQUEUE --queue-num %d\n-A %s -j NFQUEUE --queue-num %[2]d\n", from, queueNumber, to)
}
