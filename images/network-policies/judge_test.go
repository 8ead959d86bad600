package networkpolicies

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/kube-network-policies/pkg/api"
)

// syn returns the first packet of a TCP connection from port 40000 to port 80.
func syn(src, dst string) []byte {
	tcp := []byte{0x9c, 0x40, 0, 80, 0, 0, 0, 0, 0, 0, 0, 0, 0x50, 2, 0, 0, 0, 0, 0, 0}
	s, d := netip.MustParseAddr(src), netip.MustParseAddr(dst)
	if s.Is4() {
		return slices.Concat([]byte{0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0}, s.AsSlice(), d.AsSlice(), tcp)
	}
	return slices.Concat([]byte{0x60, 0, 0, 0, 0, 20, 6, 64}, s.AsSlice(), d.AsSlice(), tcp)
}

func toLabels(app string) networkingv1.NetworkPolicyEgressRule {
	return networkingv1.NetworkPolicyEgressRule{To: []networkingv1.NetworkPolicyPeer{{PodSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": app}}}}}
}

func toBlock(cidr string) networkingv1.NetworkPolicyEgressRule {
	return networkingv1.NetworkPolicyEgressRule{To: []networkingv1.NetworkPolicyPeer{{IPBlock: &networkingv1.IPBlock{CIDR: cidr}}}}
}

func TestJudge(t *testing.T) {
	t.Parallel()
	n := newNode(t,
		isolate("shut"), isolate("picky", toLabels("friend"), toBlock("10.244.2.0/24")),
		newPod("shut", "1", "here"), newPod("picky", "2", "here"), newPod("free", "3", "here"),
		newPod("friend", "4", "there", "10.244.1.4"), newPod("stranger", "5", "there", "10.244.1.5"),
	)
	n.sandbox("10.244.0.2", "a", sandbox{"default", "shut", "1"})
	n.sandbox("fd00::2", "a", sandbox{"default", "shut", "1"})
	n.sandbox("10.244.0.3", "b", sandbox{"default", "picky", "2"})
	n.sandbox("10.244.0.4", "c", sandbox{"default", "free", "3"})
	n.sandbox("fd00::4", "c", sandbox{"default", "free", "3"})
	n.sandbox("10.244.0.5", "d", sandbox{"default", "later", "6"})
	for _, test := range []struct {
		name, src, dst string
		allowed, final bool
	}{
		{"from an isolated pod", "10.244.0.2", "192.0.2.1", false, true},
		{"from an isolated pod, IPv6", "fd00::2", "fd00::4", false, true},
		{"to an isolated pod", "192.0.2.1", "10.244.0.2", false, true},
		{"of a pod that no policy selects", "10.244.0.4", "192.0.2.1", true, true},
		{"of a pod that no policy selects, IPv6", "fd00::4", "2001:db8::1", true, true},
		{"of a pod that no policy selects, to an unknown pod of another node", "10.244.0.4", "10.244.1.9", true, true},
		{"to an allowed pod", "10.244.0.3", "10.244.1.4", true, true},
		{"to another pod", "10.244.0.3", "10.244.1.5", false, true},
		{"to an allowed address whose pod is unknown", "10.244.0.3", "10.244.2.9", true, true},
		{"to an unknown pod of another node", "10.244.0.3", "10.244.1.9", false, false},
		{"from an unknown pod", "10.244.0.5", "192.0.2.1", false, false},
		{"to an unknown pod", "192.0.2.1", "10.244.0.5", false, false},
		{"to a free address", "10.244.0.4", "10.244.0.9", false, false},
	} {
		p, err := parse(syn(test.src, test.dst))
		if err != nil || p.DstPort != 80 {
			t.Fatalf("%s: port %d, %v", test.name, p.DstPort, err)
		}
		if allowed, final := n.state.decide(t.Context(), &p); allowed != test.allowed || final != test.final {
			t.Errorf("%s: allowed %t, final %t; want %t, %t", test.name, allowed, final, test.allowed, test.final)
		}
	}
}

type notReady struct{ api.PolicyEvaluator }

func (notReady) Ready() bool { return false }

func TestJudgeBeforeThePoliciesAreKnown(t *testing.T) {
	t.Parallel()
	p, err := parse(syn("192.0.2.1", "192.0.2.2"))
	if err != nil {
		t.Fatal(err)
	}
	if allowed, final := (judge{policies: notReady{}}).decide(t.Context(), &p); allowed || final {
		t.Errorf("allowed %t, final %t; want neither", allowed, final)
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	six := syn("fd00::2", "fd00::4")
	// options returns the packet with an extension header of a length in bytes. It carries options for
	// the destination (60).
	options := func(length int) []byte {
		header := make([]byte, length)
		header[0], header[1] = 6, byte(length/8-1)
		p := slices.Concat(six[:40], header, six[40:])
		p[6] = 60
		binary.BigEndian.PutUint16(p[4:], uint16(length+20))
		return p
	}
	for name, test := range map[string]struct {
		payload []byte
		want    string
	}{
		"IPv4":                       {syn("10.244.0.2", "10.244.0.3"), ""},
		"IPv6":                       {six, ""},
		"IPv6 with options":          {options(8), ""},
		"IPv6 with many options":     {options(1400), ""},
		"IPv6 with too many options": {options(2048)[:maxHeaders], "packet too short"},
		"no packet":                  {[]byte{1, 2, 3}, "packet too short"},
		"an unknown version":         {slices.Concat([]byte{0x75}, make([]byte, 40)), "unknown version 7"},
		"no whole TCP header":        {syn("10.244.0.2", "10.244.0.3")[:24], "the packet is too short: runtime error: index out of range [32] with length 24"},
	} {
		p, err := parse(test.payload)
		if test.want == "" && (err != nil || p.DstPort != 80) {
			t.Errorf("%s: port %d, %v; want 80", name, p.DstPort, err)
		} else if test.want != "" && (err == nil || err.Error() != test.want) {
			t.Errorf("%s: %v; want %s", name, err, test.want)
		}
	}
}
