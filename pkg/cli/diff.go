package cli

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mkube/mkube/pkg/learn/stages"
)

func (a app) diffCommand() *cobra.Command {
	var name, from, to string
	cmd := &cobra.Command{
		Use:   "diff",
		Short: "Show what a stage has added to a cluster",
		Long: `Compare two stages of a cluster: the files of its first control plane, its
processes with their flags, its listening ports, and the objects in the API.
A stage is recorded when "mkube create cluster --until" or "mkube stage next"
reaches it.

By default, diff shows what the last component added.`,
		Example: `  mkube diff
  mkube diff --from etcd --to kube-apiserver`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			for _, c := range []string{from, to} {
				if err := knownComponent(cmd, c); err != nil {
					return err
				}
			}
			return a.diff(cmd.Context(), name, from, to)
		},
	}
	a.nameFlag(cmd, &name)
	cmd.Flags().StringVar(&from, "from", "", "last component of the earlier stage (default: the last but one of the cluster)")
	cmd.Flags().StringVar(&to, "to", "", "last component of the later stage (default: the last one of the cluster)")
	for _, flag := range []string{"from", "to"} {
		// This fails only for an unknown flag or a second registration.
		_ = cmd.RegisterFlagCompletionFunc(flag, completeComponents)
	}
	return cmd
}

func (a app) diff(ctx context.Context, name, from, to string) error {
	c, p, err := a.opened(ctx, name)
	if err != nil {
		return err
	}
	last, before := stages.Last(c)
	from, to = cmp.Or(from, before.Name), cmp.Or(to, last.Name)
	if from == "" {
		return fmt.Errorf("cluster %q is at its first stage: there is no earlier stage to compare with", c.Config.Name)
	}
	earlier, err := stages.SnapshotAt(ctx, p, c.Config.Name, from)
	if err != nil {
		return err
	}
	later, err := stages.SnapshotAt(ctx, p, c.Config.Name, to)
	if err != nil {
		return err
	}
	_, err = fmt.Fprint(a.out, difference(earlier, later))
	if err == nil {
		a.tell("\n+ added, - removed, ~ changed between the stages %s and %s, on %s.", from, to, c.ControlPlanes()[0].Name())
	}
	return err
}

// difference returns what was added, removed and changed from one snapshot to another.
func difference(a, b stages.Snapshot) string {
	var out strings.Builder
	section := func(title string, lines []string) {
		if len(lines) > 0 {
			fmt.Fprintf(&out, "%s\n%s\n", title, strings.Join(lines, "\n"))
		}
	}
	section("FILES", changes(a.Files, b.Files, func(string) []string { return nil }))
	flat := func(m map[string][]string) map[string]string {
		flat := map[string]string{}
		for program, args := range m {
			flat[program] = strings.Join(args, "\n")
		}
		return flat
	}
	section("PROCESSES", changes(flat(a.Processes), flat(b.Processes), func(program string) []string {
		return changedList(a.Processes[program], b.Processes[program], "      ")
	}))
	section("LISTENING", changedList(a.Sockets, b.Sockets, "  "))
	section("OBJECTS", shortened(changedList(a.Objects, b.Objects, "  ")))
	return out.String()
}

// changes returns a line for each key that was added or removed, or has another value. For keys
// that were added or changed, detail returns more lines.
func changes(a, b map[string]string, detail func(string) []string) []string {
	var lines []string
	keys := slices.Sorted(maps.Keys(a))
	for key := range b {
		if _, both := a[key]; !both {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	for _, key := range keys {
		before, was := a[key]
		after, is := b[key]
		switch {
		case !is:
			lines = append(lines, "  - "+key)
		case !was:
			lines = append(append(lines, "  + "+key), detail(key)...)
		case before != after:
			lines = append(append(lines, "  ~ "+key), detail(key)...)
		}
	}
	return lines
}

// changedList returns the elements that only one of two lists has.
func changedList(a, b []string, indent string) []string {
	var lines []string
	for _, s := range subtract(a, b) {
		lines = append(lines, indent+"- "+s)
	}
	for _, s := range subtract(b, a) {
		lines = append(lines, indent+"+ "+s)
	}
	return lines
}

// most is the maximum number of objects of a kind that are printed one by one.
const most = 6

// shortened replaces many objects of one kind by their number and an example.
func shortened(lines []string) []string {
	count := map[string]int{}
	kind := func(line string) string { return strings.Join(strings.Fields(line)[:2], " ") }
	for _, line := range lines {
		count[kind(line)]++
	}
	var list []string
	for _, line := range lines {
		k := kind(line)
		switch n := count[k]; {
		case n > most:
			list = append(list, fmt.Sprintf("  %s: %d, such as %s", k, n, strings.Fields(line)[2]))
			count[k] = -1 // printed already
		case n > 0:
			list = append(list, line)
		}
	}
	return list
}
