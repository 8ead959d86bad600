package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mkube/mkube/pkg/bootstrap"
	"github.com/mkube/mkube/pkg/learn/fault"
	"github.com/mkube/mkube/pkg/state"
)

func (h host) fixCommand() *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use:   "fix [FAULT]",
		Short: "Fix a cluster that mkube break has broken",
		Long: `Fix the fault that you name, and wait until it is gone. Without a name, fix all
faults that mkube break caused, and wait until mkube break --check finds none.`,
		Example: `  mkube fix
  mkube fix etcd-full --name blue`,
		Args: faultArg,
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return faultNames(), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return h.fix(cmd.Context(), h.clusterName(name), strings.Join(args, ""))
		},
	}
	h.nameFlag(cmd, &name)
	return cmd
}

func (h host) fix(ctx context.Context, name, one string) error {
	c, p, release, err := h.held(ctx, name, "fix")
	if err != nil {
		return err
	}
	defer release()
	left, err := h.noted(ctx, name)
	if err != nil {
		return err
	}
	// The last fault is fixed first, because it may hide the others.
	names := slices.Clone(left)
	slices.Reverse(names)
	if one != "" {
		names = []string{one}
	}
	if len(names) == 0 {
		h.tell("mkube break has not broken cluster %q: there is nothing to fix. mkube fix FAULT fixes a fault anyway; mkube break --list lists the faults.", name)
		return nil
	}
	g := bootstrap.Built(c)
	list := fault.In(g)
	for _, n := range names {
		i := slices.Index(fault.Names(list), n)
		if i < 0 {
			return fmt.Errorf("fault %s is in a component that cluster %q does not have yet: mkube stage lists the components", n, name)
		}
		h.tell("Fixing %s ...", n)
		if err := list[i].Fix(ctx, c, g); err != nil {
			return err
		}
		left = slices.DeleteFunc(left, func(other string) bool { return other == n })
		if err := state.SetNote(ctx, p, name, faultNote, strings.Join(left, "\n")); err != nil {
			return err
		}
		fmt.Fprintln(h.out, n)
	}
	// A fault that is left, or that somebody else caused, can keep other components from working.
	if one == "" {
		if err := fault.Settle(ctx, c, g, list); err != nil {
			return err
		}
	}
	h.tell("Fixed.")
	return nil
}
