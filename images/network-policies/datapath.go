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

// again is the pause before a failed write of the rules is repeated. together is the delay after a
// change, so that the changes of this time are written together.
const again, together = time.Second, 50 * time.Millisecond

// A datapath keeps the iptables rules of a node up to date.
type datapath struct {
	// rules returns the rules that the node must have.
	rules func() (ruleset, error)
	// changed receives a value after each change on which the rules depend.
	changed <-chan struct{}
	// report is called with the result of each write.
	report func(error)

	written map[string]string // the current rules by the name of the program
}

// run writes the rules now and after each change, until ctx ends. They remain after that.
func (d *datapath) run(ctx context.Context) {
	d.written = map[string]string{}
	retry := time.After(0) // write the rules for the first time
	for {
		select {
		case <-ctx.Done():
			return
		case <-d.changed:
			time.Sleep(together)
		case <-retry:
		}
		retry = nil
		err := d.write(ctx)
		if err != nil {
			klog.ErrorS(err, "Failed to write the iptables rules")
			retry = time.After(again)
		}
		d.report(err)
	}
}

func (d *datapath) write(ctx context.Context) error {
	r, err := d.rules()
	if err != nil {
		return err
	}
	for _, family := range []struct {
		iptables string
		ipv6     bool
	}{{"iptables", false}, {"ip6tables", true}} {
		err := d.apply(ctx, family.iptables, r.render(family.ipv6))
		// The kernel of a cluster without IPv6 may not support it.
		if err != nil && !slices.ContainsFunc(r.cidrs, func(p netip.Prefix) bool { return p.Addr().Is6() == family.ipv6 }) {
			klog.V(2).ErrorS(err, "Failed to write the iptables rules of a family that the cluster does not use")
		} else if err != nil {
			return err
		}
	}
	return nil
}

// apply replaces the rules of the chains in one transaction, unless they are current. The first time,
// it also adds a jump from FORWARD to the chain, unless there is one.
func (d *datapath) apply(ctx context.Context, iptables, rules string) error {
	if d.written[iptables] == rules {
		return nil
	}
	cmd := exec.CommandContext(ctx, iptables+"-restore", "--wait", "--noflush")
	cmd.Stdin = strings.NewReader(rules)
	if err := run(cmd); err != nil {
		return err
	}
	if _, hooked := d.written[iptables]; !hooked {
		if err := hook(ctx, iptables); err != nil {
			return err
		}
	}
	d.written[iptables] = rules
	return nil
}

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
