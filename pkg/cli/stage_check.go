package cli

import (
	"context"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/mkube/mkube/pkg/learn/stages"
)

func (a app) stageCheckCommand() *cobra.Command {
	var (
		name, format string
		wait         time.Duration
	)
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Check that the components of this stage work, and no others",
		Long: `Test what each component does, for example that a Deployment gets a ReplicaSet,
and that a pod gets a node. The exit code is 0 only if every component that is
up works, and no later component works yet.

Check leaves nothing behind in the cluster.`,
		Example: `  mkube stage check
  mkube stage check --name blue -o json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.stageCheck(cmd.Context(), a.clusterName(name), wait, format)
		},
	}
	a.nameFlag(cmd, &name)
	// An emulated machine needs more than a minute to try all functions at the same time.
	limitFlag(cmd, &wait, "wait", effectLimit, "maximum time to wait for a component that must work")
	outputFlag(cmd, &format, formatJSON, formatYAML)
	return cmd
}

// findingItem is a finding as JSON and YAML.
type findingItem struct {
	Component string `json:"component"`
	Claim     string `json:"claim"`
	Must      bool   `json:"mustWork"`
	Works     bool   `json:"works"`
	OK        bool   `json:"ok"`
	Reason    string `json:"reason,omitempty"`
}

func (a app) stageCheck(ctx context.Context, name string, wait time.Duration, format string) error {
	p, err := a.provider()
	if err != nil {
		return err
	}
	list, err := stages.Check(ctx, p, name, wait)
	if err != nil {
		return err
	}
	items, wrong := []findingItem{}, 0
	for _, f := range list {
		items = append(items, findingItem{f.Component, f.Claim, f.Must, f.Works, f.OK(), f.Reason})
		if !f.OK() {
			wrong++
		}
	}
	if err := a.print(format, items, func() { a.findings(list) }); err != nil {
		return err
	}
	if wrong == 0 {
		a.tell("All is as it must be at this stage.")
		return nil
	}
	a.tell("%s not as expected.", count(wrong, "function is", "functions are"))
	return silent(Failed)
}

// count returns a number with the singular or the plural of a word.
func count(n int, one, several string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, several)
}

func (a app) findings(list []stages.Finding) {
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	for _, f := range list {
		fmt.Fprintf(w, "%s\t%s\t%s\n", verdict(f), f.Component, f.Claim)
	}
	_ = w.Flush() // as all writing to standard output here
	for _, f := range list {
		if f.Must && !f.Works {
			fmt.Fprintf(a.out, "\n%s: %s\n", f.Component, f.Reason)
		}
	}
}

func verdict(f stages.Finding) string {
	switch {
	case f.Must && f.Works:
		return "works"
	case f.Must:
		return "FAILS"
	case f.Works:
		return "TOO EARLY"
	}
	return "not yet"
}
