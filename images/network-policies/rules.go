package networkpolicies

import (
	"context"
	"fmt"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"time"

	"k8s.io/klog/v2"
)

// A source returns the addresses of the node's pods that policies select.
type source interface {
	GetManagedIPs(ctx context.Context) (ips []netip.Addr, all bool, err error)
}

// again is the pause before a failed write of the rules is repeated. together is the delay after a
// change, so that the changes of this time are written together.
const again, together = time.Second, 50 * time.Millisecond

// divert updates the node's iptables rules after each change of the policies, until ctx ends.
func divert(ctx context.Context, s source, changed <-chan struct{}) error {
	retry := time.After(0) // write the rules for the first time
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
			time.Sleep(together)
		case <-retry:
		}
		retry = nil
		if err := write(ctx, s); err != nil {
			klog.ErrorS(err, "Failed to write the iptables rules")
			retry = time.After(again)
		}
	}
}

func write(ctx context.Context, s source) error {
	ips, all, err := s.GetManagedIPs(ctx)
	if err != nil {
		return err
	}
	for _, family := range []struct {
		iptables string
		ipv6     bool
	}{{"iptables", false}, {"ip6tables", true}} {
		if err := restore(ctx, family.iptables, rules(ips, all, family.ipv6)); err != nil {
			return err
		}
		if err := hook(ctx, family.iptables); err != nil {
			return err
		}
	}
	return nil
}

// chain is the chain of the rules. FORWARD of the table mangle jumps to it. There, a packet to a
// Service already has the address of the endpoint as its destination, and still has the address of
// the client as its source. Packets that the node itself sends to its pods, for example probes, do
// not pass through FORWARD.
const chain = "MKUBE-POLICIES"

// rules returns the rules of one IP family in the format of iptables-restore. They send the first
// packet of each connection from or to the addresses ips to the queue, or of all connections if all
// is set. While no program listens on the queue, the kernel accepts the packets.
func rules(ips []netip.Addr, all, ipv6 bool) string {
	const queue = " -m conntrack --ctstate NEW -j NFQUEUE --queue-num %d --queue-bypass\n"
	var b strings.Builder
	fmt.Fprintf(&b, "*mangle\n:%s - [0:0]\n", chain)
	if all {
		fmt.Fprintf(&b, "-A %s"+queue, chain, queueNumber)
		ips = nil
	}
	slices.SortFunc(ips, netip.Addr.Compare)
	for _, ip := range ips {
		if ip.Is6() != ipv6 {
			continue
		}
		fmt.Fprintf(&b, "-A %s -s %s"+queue, chain, ip, queueNumber)
		fmt.Fprintf(&b, "-A %s -d %s"+queue, chain, ip, queueNumber)
	}
	b.WriteString("COMMIT\n")
	return b.String()
}

// restore replaces the rules of the chain in one transaction.
func restore(ctx context.Context, iptables, rules string) error {
	cmd := exec.CommandContext(ctx, iptables+"-restore", "--wait", "--noflush")
	cmd.Stdin = strings.NewReader(rules)
	return run(cmd)
}

// hook adds a jump from FORWARD to the chain, unless there is one.
func hook(ctx context.Context, iptables string) error {
	args := []string{"--wait", "--table", "mangle", "--check", "FORWARD", "--jump", chain}
	if run(exec.CommandContext(ctx, iptables, args...)) == nil {
		return nil
	}
	args[3] = "--append"
	return run(exec.CommandContext(ctx, iptables, args...))
}

func run(cmd *exec.Cmd) error {
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("running %s: %w: %s", strings.Join(cmd.Args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}
