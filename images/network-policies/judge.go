package networkpolicies

import (
	"context"
	"fmt"
	"net"
	"net/netip"

	"k8s.io/klog/v2"
	"sigs.k8s.io/kube-network-policies/pkg/api"
	"sigs.k8s.io/kube-network-policies/pkg/network"
)

// A judge decides whether policies allow a packet.
type judge struct {
	identities identities
	policies   api.PolicyEvaluator
}

// decide returns whether the policies allow a packet. final is false if that is not known yet, or if
// the packet is not allowed only as long as it is not known which pod has one of its addresses.
func (j judge) decide(ctx context.Context, p *network.Packet) (allowed, final bool) {
	if !j.policies.Ready() {
		return false, false
	}
	src, srcKnown := j.identities.of(address(p.SrcIP))
	dst, dstKnown := j.identities.of(address(p.DstIP))
	// Policies can isolate a pod of this node. If it is unknown, it is not known which do.
	if !srcKnown && j.identities.local(address(p.SrcIP)) || !dstKnown && j.identities.local(address(p.DstIP)) {
		return false, false
	}
	// A policy can allow packets to or from an unknown pod of another node by its address, and can
	// also allow more when the pod is known.
	allowed = j.allows(ctx, p, src, dst)
	return allowed, allowed || srcKnown && dstKnown
}

// allows returns whether policies allow a packet from src to dst. Either is nil if it is not a pod, or
// an unknown pod of another node.
func (j judge) allows(ctx context.Context, p *network.Packet, src, dst *api.PodInfo) bool {
	egress, err := j.policies.EvaluateEgress(ctx, p, src, dst)
	if err != nil || egress == api.VerdictDeny {
		klog.V(2).InfoS("Egress is not allowed", "packet", p, "err", err)
		return false
	}
	ingress, err := j.policies.EvaluateIngress(ctx, p, src, dst)
	if err != nil || ingress == api.VerdictDeny {
		klog.V(2).InfoS("Ingress is not allowed", "packet", p, "err", err)
		return false
	}
	return true
}

func address(ip net.IP) netip.Addr {
	a, _ := netip.AddrFromSlice(ip) // a parsed packet has valid addresses
	return a.Unmap()
}

// parse returns the headers of a packet. ParsePacket panics if a packet ends within its TCP header or
// its IPv6 extension headers.
func parse(payload []byte) (p network.Packet, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("the packet is too short: %v", r)
		}
	}()
	return network.ParsePacket(payload)
}
