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

func (a app) fixCommand() *cobra.Command {
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
			return a.fix(cmd.Context(), a.clusterName(name), strings.Join(args, ""))
		},
	}
	a.nameFlag(cmd, &name)
	return cmd
}

func (a app) fix(ctx context.Context, name, one string) error {
	c, p, release, err := a.held(ctx, name, "fix")
	if err != nil {
		return err
	}
	defer release()
	left, err := a.noted(ctx, name)
	if err != nil {
		return err
	}
	g := bootstrap.Built(c)
	list := fault.Instances(c, g)
	lines := linesToFix(left, one)
	if len(lines) == 0 {
		a.tell("mkube break has not broken cluster %q: there is nothing to fix. mkube fix FAULT fixes a fault anyway; mkube break --list lists the faults.", name)
		return nil
	}
	for _, line := range lines {
		i, ok := fault.Named(list, line)
		fixed, node, _ := strings.Cut(line, " ")
		switch {
		case ok:
			a.tell("Fixing %s ...", i)
			if err := i.Fix(ctx); err != nil {
				return err
			}
		case slices.Contains(fault.Names(fault.In(g)), fixed):
			a.tell("Fault %s is gone together with node %s.", fixed, node)
		default:
			return notBuilt(fixed, name)
		}
		left = slices.DeleteFunc(left, func(other string) bool { return other == line })
		if err := state.SetNote(ctx, p, name, faultNote, strings.Join(left, "\n")); err != nil {
			return err
		}
		fmt.Fprintln(a.out, fixed)
	}
	// A fault that is left, or that somebody else caused, can keep other components from working.
	if one == "" {
		if err := fault.Settle(ctx, list); err != nil {
			return err
		}
	}
	a.tell("Fixed.")
	return nil
}

// linesToFix returns the lines of the note of break that must be fixed: all of them, or those of one
// fault. The last fault is the first to be fixed, because it may hide the others. A fault that break
// has not caused is fixed anyway, on the first node of its component.
func linesToFix(noted []string, one string) []string {
	var lines []string
	for _, line := range slices.Backward(noted) {
		if name, _, _ := strings.Cut(line, " "); one == "" || name == one {
			lines = append(lines, line)
		}
	}
	if len(lines) == 0 && one != "" {
		return []string{one}
	}
	return lines
}
