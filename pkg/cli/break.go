package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/mkube/mkube/pkg/bootstrap"
	"github.com/mkube/mkube/pkg/cluster"
	"github.com/mkube/mkube/pkg/learn/fault"
	"github.com/mkube/mkube/pkg/provider"
	"github.com/mkube/mkube/pkg/state"
	"github.com/mkube/mkube/pkg/suggest"
)

// faultNote is the name of the cluster's note with the faults that break caused, one per line: the
// name, and the node unless the fault is in the API.
const faultNote = "faults"

// breakOptions are the flags of break.
type breakOptions struct {
	cluster, node, format string
	seed                  uint64
	list, check           bool
}

func (a app) breakCommand() *cobra.Command {
	var o breakOptions
	cmd := &cobra.Command{
		Use:   "break [FAULT]",
		Short: "Cause a fault in a cluster, for you to find and fix",
		Long: `Cause a fault in a cluster, and print the symptom that a user of the cluster
would notice. Find the cause and fix it, with kubectl or on the nodes
(mkube exec control-plane -- bash).

If you name no fault, break chooses a fault and a node at random. A fault that
you name is on the first node of its component, or on --node. Some faults are in
objects of the API, and not on a node.

--check looks for every fault, and exits with code 0 only if nothing is broken.
Otherwise it prints what is broken. For faults that mkube break caused, it adds
the symptom and hints. mkube fix fixes the faults for you.`,
		Example: `  mkube break
  mkube break scheduler-stopped
  mkube break kubelet-stopped --node worker2
  mkube break --check
  mkube break --list`,
		Args: func(cmd *cobra.Command, args []string) error { return faultArg(cmd, args) },
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return faultNames(), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if (o.list || o.check) && len(args) > 0 {
				return usagef(cmd, "--list and --check take no fault: they cover all faults")
			}
			if (o.list || o.check) && (o.node != "" || o.seed != 0) {
				return usagef(cmd, "--node and --seed choose what to break: leave out --list and --check")
			}
			return a.breakIt(cmd.Context(), o, strings.Join(args, ""))
		},
	}
	a.nameFlag(cmd, &o.cluster)
	cmd.Flags().StringVar(&o.node, "node", "", "node to break (default: the first one that runs the component)")
	// This fails only for an unknown flag or a second registration.
	_ = cmd.RegisterFlagCompletionFunc("node", func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		return a.nodeNames(cmd), cobra.ShellCompDirectiveNoFileComp
	})
	cmd.Flags().Uint64Var(&o.seed, "seed", 0, "seed of the random choice: the same seed chooses the same fault and node; 0 is a random seed")
	cmd.Flags().BoolVar(&o.list, "list", false, "list all faults")
	cmd.Flags().BoolVar(&o.check, "check", false, "check whether anything is broken")
	cmd.MarkFlagsMutuallyExclusive("list", "check")
	outputFlag(cmd, &o.format, formatJSON, formatYAML, formatName)
	return cmd
}

func faultNames() []string {
	return fault.Names(fault.In(bootstrap.Components(everything())))
}

// faultArg accepts at most one argument, the name of a fault.
func faultArg(cmd *cobra.Command, args []string) error {
	if len(args) > 1 {
		return usagef(cmd, "%s takes one fault, not %d", cmd.CommandPath(), len(args))
	}
	for _, name := range args {
		if all := faultNames(); !slices.Contains(all, name) {
			return usagef(cmd, "unknown fault %q%s; the faults are %s", name, suggest.DidYouMean(name, all), strings.Join(all, ", "))
		}
	}
	return nil
}

// faultItem is a fault as JSON and YAML.
type faultItem struct {
	Name      string `json:"name"`
	Component string `json:"component"`
	Symptom   string `json:"symptom"`
}

func (a app) breakIt(ctx context.Context, o breakOptions, name string) error {
	if o.list {
		return a.listFaults(o.format)
	}
	if o.check {
		c, _, err := a.opened(ctx, o.cluster)
		if err != nil {
			return err
		}
		return a.checkFaults(ctx, c)
	}
	c, p, release, err := a.held(ctx, a.clusterName(o.cluster), "break")
	if err != nil {
		return err
	}
	defer release()
	i, err := chosenFault(c, o, name)
	if err != nil {
		return err
	}
	a.tell("Breaking the cluster ...")
	// The note is written first, because fix must also fix a fault that was caused only in part or
	// did not show in time.
	if err := a.noteFault(ctx, p, c.Config.Name, i.String()); err != nil {
		return err
	}
	if err := i.Break(ctx); err != nil {
		return err
	}
	if o.format == formatName {
		fmt.Fprintln(a.out, i.Name)
		return nil
	}
	symptom := i.Symptom
	if i.Redundant && len(c.ControlPlanes()) > 1 {
		symptom += " Other control planes can take over, and hide that."
	}
	a.tell("Something is broken. %s\n\nFind the cause and fix it. To check your fix: mkube break --check%s. To give up: mkube fix%[2]s", symptom, a.forName(c.Config.Name))
	return nil
}

func (a app) listFaults(format string) error {
	list := fault.In(bootstrap.Components(everything()))
	if format == formatName {
		for _, f := range list {
			fmt.Fprintln(a.out, f.Name)
		}
		return nil
	}
	var items []faultItem
	for _, f := range list {
		items = append(items, faultItem{f.Name, f.Component, f.Symptom})
	}
	return a.print(format, items, func() {
		w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "FAULT\tSYMPTOM")
		for _, i := range items {
			fmt.Fprintf(w, "%s\t%s\n", i.Name, i.Symptom)
		}
		_ = w.Flush() // as all writing to standard output here
	})
}

// opened opens a cluster that must exist.
func (a app) opened(ctx context.Context, name string) (*cluster.Cluster, provider.Provider, error) {
	p, err := a.provider()
	if err != nil {
		return nil, nil, err
	}
	c, err := a.openCluster(ctx, p, a.clusterName(name))
	return c, p, err
}

// held opens a cluster and takes its lock. Until release is called, no other command changes the
// cluster.
func (a app) held(ctx context.Context, name, command string) (c *cluster.Cluster, p provider.Provider, release func(), err error) {
	if p, err = a.provider(); err != nil {
		return nil, nil, nil, err
	}
	if release, err = state.Hold(ctx, p, name, command); err != nil {
		return nil, nil, nil, err
	}
	// The cluster is opened with the lock, because another command may have changed it before.
	if c, err = a.open(ctx, p, name); err != nil {
		release()
		return nil, nil, nil, err
	}
	a.warn(state.LeftoverWarnings(c))
	return c, p, release, nil
}

// openCluster opens a cluster, and warns of stray and gone nodes. It does not warn while another
// command works on the cluster, because the nodes may be those that it changes.
func (a app) openCluster(ctx context.Context, p provider.Provider, name string) (*cluster.Cluster, error) {
	c, err := a.open(ctx, p, name)
	if err != nil {
		return nil, err
	}
	if lines := state.LeftoverWarnings(c); len(lines) > 0 && !state.AtWork(ctx, c) {
		a.warn(lines)
	}
	return c, nil
}

func (a app) warn(lines []string) {
	for _, line := range lines {
		a.tell("Warning: %s", line)
	}
}

// noteFault records a fault and its node in the cluster's note, for fix.
func (a app) noteFault(ctx context.Context, p provider.Provider, cluster, fault string) error {
	before, err := state.Note(ctx, p, cluster, faultNote)
	if err != nil {
		return err
	}
	return state.SetNote(ctx, p, cluster, faultNote, strings.TrimSpace(before+"\n"+fault))
}

// checkFaults checks for all faults at the same time.
func (a app) checkFaults(ctx context.Context, c *cluster.Cluster) error {
	list := fault.Instances(c, bootstrap.Built(c))
	broken := fault.Broken(ctx, list)
	if err := ctx.Err(); err != nil {
		return err
	}
	known, err := a.noted(ctx, c.Config.Name)
	if err != nil {
		return err
	}
	if errors.Join(broken...) == nil {
		a.tell("Nothing is broken.")
		return nil
	}
	a.tell("Something is broken:")
	fmt.Fprint(a.out, findings(list, broken, known))
	return silent(Failed)
}

// findings returns one line for each finding, with the symptom and the hints of those faults that
// break caused. A line that several faults have in common appears once. known has the lines of the
// note of break.
func findings(list []fault.Instance, broken []error, known []string) string {
	var caused, lines []string
	for _, line := range known {
		if i, ok := fault.Named(list, line); ok {
			caused = append(caused, i.String())
		}
	}
	hints := map[string]string{}
	for i, f := range list {
		if broken[i] == nil {
			continue
		}
		line := fmt.Sprintf("%s: %v\n", f.Component, broken[i])
		if !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
		if slices.Contains(caused, f.String()) {
			hints[line] += fmt.Sprintf("  %s\n  - %s\n", f.Symptom, strings.Join(f.Hints, "\n  - "))
		}
	}
	var b strings.Builder
	for _, line := range lines {
		b.WriteString(line + hints[line])
	}
	return b.String()
}

// noted returns the faults that break caused in a cluster and fix has not fixed yet, each with its
// node.
func (a app) noted(ctx context.Context, name string) ([]string, error) {
	p, err := a.provider()
	if err != nil {
		return nil, err
	}
	note, err := state.Note(ctx, p, name, faultNote)
	return slices.DeleteFunc(strings.Split(note, "\n"), func(line string) bool { return line == "" }), err
}
