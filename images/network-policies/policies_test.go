package networkpolicies

import (
	"context"
	"errors"
	"net/netip"
	"testing"

	"github.com/florianl/go-nfqueue/v2"
	"sigs.k8s.io/kube-network-policies/pkg/network"
)

func TestRules(t *testing.T) {
	t.Parallel()
	ips := []netip.Addr{netip.MustParseAddr("10.244.0.7"), netip.MustParseAddr("fd00::7"), netip.MustParseAddr("10.244.0.3")}
	const queue = " -m conntrack --ctstate NEW -j NFQUEUE --queue-num 102 --queue-bypass\n"
	const begin, end = "*mangle\n:MKUBE-POLICIES - [0:0]\n", "COMMIT\n"
	for name, test := range map[string]struct {
		ips      []netip.Addr
		all, six bool
		want     string
	}{
		"no policy": {nil, false, false, begin + end},
		"four": {ips, false, false, begin +
			"-A MKUBE-POLICIES -s 10.244.0.3" + queue + "-A MKUBE-POLICIES -d 10.244.0.3" + queue +
			"-A MKUBE-POLICIES -s 10.244.0.7" + queue + "-A MKUBE-POLICIES -d 10.244.0.7" + queue + end},
		"six": {ips, false, true, begin + "-A MKUBE-POLICIES -s fd00::7" + queue + "-A MKUBE-POLICIES -d fd00::7" + queue + end},
		"all": {ips, true, false, begin + "-A MKUBE-POLICIES" + queue + end},
	} {
		if got := rules(test.ips, test.all, test.six); got != test.want {
			t.Errorf("%s:\n%swant\n%s", name, got, test.want)
		}
	}
}

type fakeEvaluator struct {
	allowed bool
	err     error
	asked   *network.Packet
}

func (e *fakeEvaluator) EvaluatePacket(_ context.Context, p *network.Packet) (bool, error) {
	e.asked = p
	return e.allowed, e.err
}

// syn is the first packet of a TCP connection, from 10.244.0.3 to port 80 of 10.244.0.7.
var syn = []byte{
	0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0, 10, 244, 0, 3, 10, 244, 0, 7,
	0x9c, 0x40, 0, 80, 0, 0, 0, 0, 0, 0, 0, 0, 0x50, 2, 0, 0, 0, 0, 0, 0,
}

func TestVerdict(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name      string
		evaluator fakeEvaluator
		payload   []byte
		want      int
	}{
		{"allowed", fakeEvaluator{allowed: true}, syn, nfqueue.NfAccept},
		{"denied", fakeEvaluator{}, syn, nfqueue.NfDrop},
		{"not known", fakeEvaluator{err: errors.New("no")}, syn, nfqueue.NfDrop},
		{"no packet at all", fakeEvaluator{}, []byte{1, 2, 3}, nfqueue.NfAccept},
	} {
		if got := verdict(t.Context(), &test.evaluator, test.payload); got != test.want {
			t.Errorf("%s: verdict %d, want %d", test.name, got, test.want)
		}
		if p := test.evaluator.asked; p != nil && (p.DstPort != 80 || p.SrcIP.String() != "10.244.0.3") {
			t.Errorf("%s: asked about %s port %d", test.name, p.SrcIP, p.DstPort)
		}
	}
}
