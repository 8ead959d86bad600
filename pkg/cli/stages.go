package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/mkube/mkube/pkg/bootstrap"
	"github.com/mkube/mkube/pkg/component"
	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/learn/stages"
	"github.com/mkube/mkube/pkg/suggest"
)

func (a app) stageCommand() *cobra.Command {
	var name, format string
	cmd := group("stage", "Build a cluster one component at a time", a.stageNextCommand(), a.stageBackCommand(), a.stageCheckCommand())
	cmd.Use = "stage [COMMAND]"
	cmd.Long = `Without a subcommand, stage lists the components of a cluster in the order in
which they come up: the responsibility and state of each, and the components
that it waits for. A stage is how far a cluster is built, named by its last
component. Build a cluster up to a stage with mkube create cluster --until.

"stage next" brings up the next component. "stage back" removes the last one.
"stage check" tests that what is up works, and that nothing else works yet.`
	cmd.Example = `  mkube create cluster --until kubelet
  mkube stage
  mkube stage next
  mkube stage check
  mkube stage back`
	unknown := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			return unknown(cmd, args)
		}
		return a.stages(cmd.Context(), a.clusterName(name), format)
	}
	a.nameFlag(cmd, &name)
	outputFlag(cmd, &format, formatJSON, formatYAML, formatName)
	return cmd
}

// stageItem is a component of a cluster as JSON and YAML.
type stageItem struct {
	Name     string       `json:"name"`
	State    stages.State `json:"state"`
	Short    string       `json:"short"`
	Reason   string       `json:"reason,omitempty"`
	WaitsFor []string     `json:"waitsFor,omitempty"`
}

func (a app) stages(ctx context.Context, name, format string) error {
	c, _, err := a.opened(ctx, name)
	if err != nil {
		return err
	}
	list, err := stages.List(ctx, c)
	if err != nil {
		return err
	}
	items := stageItems(list)
	if format == formatName {
		for _, i := range items {
			fmt.Fprintln(a.out, i.Name)
		}
		return nil
	}
	return a.print(format, items, func() { a.stageTable(name, items) })
}

// stageItems returns the components. Each component that is not up has a list of the components
// that it waits for.
func stageItems(list []stages.Status) []stageItem {
	there := map[string]bool{}
	var items []stageItem
	for _, s := range list {
		there[s.Name] = s.State != stages.Later
		i := stageItem{Name: s.Name, State: s.State, Short: s.Short, Reason: s.Reason}
		for _, need := range s.Waits(component.UntilServing, component.UntilReady) {
			if s.State == stages.Later && !there[need] {
				i.WaitsFor = append(i.WaitsFor, need)
			}
		}
		items = append(items, i)
	}
	return items
}

func (a app) stageTable(name string, items []stageItem) {
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "COMPONENT\tSTATE\tRESPONSIBILITY")
	next := ""
	for _, i := range items {
		state := string(i.State)
		switch {
		case i.State == stages.Later && next == "":
			next, state = i.Name, "next"
		case len(i.WaitsFor) > 0:
			state = "waits for " + strings.Join(i.WaitsFor, ", ")
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", i.Name, state, i.Short)
	}
	_ = w.Flush() // as all writing to standard output here
	for _, i := range items {
		if i.Reason != "" {
			fmt.Fprintf(a.out, "\n%s is not ready: %s\n", i.Name, i.Reason)
		}
	}
	if next != "" {
		a.tell("\n%s comes next: mkube stage next%s", next, a.forName(name))
	}
}

// stageOptions are the flags of stage next and stage back.
type stageOptions struct {
	cluster, until, progress string
	wait                     time.Duration
	verbose                  bool
}

func (a app) stageFlags(cmd *cobra.Command, o *stageOptions, wait string) {
	a.nameFlag(cmd, &o.cluster)
	limitFlag(cmd, &o.wait, "wait", usableLimit, wait)
	progressFlag(cmd, &o.progress)
	cmd.Flags().BoolVarP(&o.verbose, "verbose", "v", false, "show every command that runs on the nodes")
}

// untilFlag adds the flag --until. byDefault describes its default.
func untilFlag(cmd *cobra.Command, until *string, byDefault string) {
	cmd.Flags().StringVar(until, "until", "", "last component to bring up, as listed by mkube explain (default: "+byDefault+")")
	// This fails only for an unknown flag or a second registration.
	_ = cmd.RegisterFlagCompletionFunc("until", completeComponents)
}

func (a app) stageNextCommand() *cobra.Command {
	var o stageOptions
	cmd := &cobra.Command{
		Use:   "next",
		Short: "Bring up the next component of a cluster",
		Long: `Bring up the next component, or all components up to and including --until, and
wait until each is ready. Components that came up before an error stay.`,
		Example: `  mkube stage next
  mkube stage next --until kube-scheduler`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := knownComponent(cmd, o.until); err != nil {
				return err
			}
			return a.onConsole(cmd, o.progress, func(ctx context.Context, s *console) error { return a.stageNext(ctx, s, o) })
		},
	}
	a.stageFlags(cmd, &o, "maximum time until the components are ready")
	untilFlag(cmd, &o.until, "the next component")
	return cmd
}

func (a app) stageNext(ctx context.Context, s *console, o stageOptions) error {
	p, err := a.provider()
	if err != nil {
		return err
	}
	if o.verbose {
		p = s.traced(p)
	}
	name := a.clusterName(o.cluster)
	names, err := stages.Next(ctx, p, name, o.until, bootstrap.Options{Wait: o.wait, On: s.recorder.On, Warn: s.warn})
	if err != nil {
		return err
	}
	last := names[len(names)-1]
	fmt.Fprintf(s.people(), "%s is up. What it is for: mkube explain %s. What works now: mkube stage check%s\n", last, last, a.forName(name))
	return nil
}

func (a app) stageBackCommand() *cobra.Command {
	var o stageOptions
	cmd := &cobra.Command{
		Use:   "back",
		Short: "Remove the last component of a cluster",
		Long: `Remove the component that came up last: its process, its files, its objects in
the API, and what it has left on the nodes. The results of its work stay: pods
that the scheduler placed keep running.`,
		Example: `  mkube stage back`,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.onConsole(cmd, o.progress, func(ctx context.Context, s *console) error { return a.stageBack(ctx, s, o) })
		},
	}
	a.stageFlags(cmd, &o, "maximum time to remove the component")
	return cmd
}

func (a app) stageBack(ctx context.Context, s *console, o stageOptions) error {
	p, err := a.provider()
	if err != nil {
		return err
	}
	if o.verbose {
		p = s.traced(p)
	}
	name := a.clusterName(o.cluster)
	if o.wait > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, o.wait)
		defer cancel()
	}
	gone, err := stages.Back(ctx, p, name)
	if err != nil {
		return err
	}
	fmt.Fprintf(s.people(), "Removed %s. To bring it back: mkube stage next%s\n", gone, a.forName(name))
	return nil
}

// components returns the names of all components that a cluster can have.
func components() []string {
	return bootstrap.Components(config.Cluster{
		Nodes: []config.Node{{}, {}, {Role: config.LoadBalancer}}, Addons: config.Addons(),
	}).Names()
}

// knownComponent returns an error if no component has the name. An empty name is accepted.
func knownComponent(cmd *cobra.Command, name string) error {
	all := components()
	if name == "" || slices.Contains(all, name) {
		return nil
	}
	return usagef(cmd, "unknown component %q%s; the components are %s", name, suggest.DidYouMean(name, all), strings.Join(all, ", "))
}

func completeComponents(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	return subtract(components(), args), cobra.ShellCompDirectiveNoFileComp
}
