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

// A source knows the addresses of the node's pods that policies select.
type source interface {
	GetManagedIPs(ctx context.Context) (ips []netip.Addr, all bool, err error)
}

// again is when rules that could not be written are tried anew, and how long changes
// may wait for others to come with them.
const again, together = time.Second, 50 * time.Millisecond

// divert keeps the node's rules as the policies are, until ctx ends.
func divert(ctx context.Context, s source, changed <-chan struct{}) error {
	retry := time.After(0) // and the first time
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
			klog.ErrorS(err, "Could not write the rules")
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
		six      bool
	}{{"iptables", false}, {"ip6tables", true}} {
		if err := restore(ctx, family.iptables, rules(ips, all, family.six)); err != nil {
			return err
		}
		if err := hook(ctx, family.iptables); err != nil {
			return err
		}
	}
	return nil
}

// chain is where the rules are, called from FORWARD of the table mangle: what a Service
// leads to is known there, and who asks for it is still seen. What the node itself
// sends to its pods, such as probes, does not come by.
const chain = "MKUBE-POLICIES"

// rules are those of one family, as iptables-restore reads them: the first packet of a
// connection from or to a pod that a policy selects is asked about. While nobody
// listens, packets pass.
func rules(ips []netip.Addr, all, six bool) string {
	const queue = " -m conntrack --ctstate NEW -j NFQUEUE --queue-num %d --queue-bypass\n"
	var b strings.Builder
	fmt.Fprintf(&b, "*mangle\n:%s - [0:0]\n", chain)
	if all {
		fmt.Fprintf(&b, "-A %s"+queue, chain, queueNumber)
		ips = nil
	}
	slices.SortFunc(ips, netip.Addr.Compare)
	for _, ip := range ips {
		if ip.Is6() != six {
			continue
		}
		fmt.Fprintf(&b, "-A %s -s %s"+queue, chain, ip, queueNumber)
		fmt.Fprintf(&b, "-A %s -d %s"+queue, chain, ip, queueNumber)
	}
	b.WriteString("COMMIT\n")
	return b.String()
}

// restore replaces the chain, at once.
func restore(ctx context.Context, iptables, rules string) error {
	cmd := exec.CommandContext(ctx, iptables+"-restore", "--wait", "--noflush")
	cmd.Stdin = strings.NewReader(rules)
	return run(cmd)
}

// hook calls the chain, if nothing does yet.
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
