package cli

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mkube/mkube/pkg/suggest"
)

// root returns the root command with all commands.
func (a app) root() *cobra.Command {
	root := group("mkube", "mkube runs Kubernetes clusters in containers", a.versionCommand(), a.docsCommand())
	for _, g := range a.commandGroups() {
		root.AddGroup(&cobra.Group{ID: g.title, Title: g.title})
		for _, c := range g.commands {
			c.GroupID = g.title
			root.AddCommand(c)
		}
	}
	root.Long = `mkube creates Kubernetes clusters whose nodes are containers or virtual machines.

The name of a cluster is --name, or else $MKUBE_CLUSTER_NAME, or else "mkube".
Exit codes: 0 success, 1 failure, 2 usage error, 130 interrupted.`
	root.Example = `  mkube create cluster
  kubectl get nodes --context mkube-mkube
  mkube delete cluster`
	root.Version = version()
	root.SetVersionTemplate("mkube version {{.Version}}\n")
	// A group runs only to report that a subcommand is missing, so its usage is the line with
	// [command].
	root.SetUsageTemplate(strings.Replace(root.UsageTemplate(), "{{if .Runnable}}", "{{if and .Runnable (not .HasAvailableSubCommands)}}", 1))
	root.SilenceErrors, root.SilenceUsage = true, true
	root.SetIn(a.in)
	root.SetOut(a.out)
	root.SetErr(a.err)
	root.SetFlagErrorFunc(flagError)
	return root
}

// commandGroup is a group of commands in the help.
type commandGroup struct {
	title    string
	commands []*cobra.Command
}

func (a app) commandGroups() []commandGroup {
	return []commandGroup{
		{"Clusters:", []*cobra.Command{
			a.createCommand(), a.addCommand(), a.deleteCommand(), a.getCommand(), a.exportCommand(), a.loadCommand(),
			a.startCommand(), a.stopCommand(), a.renewCommand(), a.buildCommand(), a.execCommand(), a.kubectlCommand(),
		}},
		{"Learning what a cluster is made of:", []*cobra.Command{
			a.tourCommand(), a.stageCommand(), a.explainCommand(), a.graphCommand(), a.treeCommand(), a.pkiCommand(), a.etcdCommand(), a.traceCommand(),
			a.diffCommand(), a.runCommand(), a.breakCommand(), a.fixCommand(),
		}},
	}
}

// group returns a command that requires a subcommand.
func group(use, short string, commands ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		Use: use, Short: short,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef(cmd, "unknown command %q of %s%s", args[0], cmd.CommandPath(), suggest.DidYouMean(args[0], words(cmd)))
			}
			if cmd.HasParent() {
				return usagef(cmd, "%s needs a subcommand: %s", cmd.CommandPath(), alternatives(words(cmd)))
			}
			return cmd.Help()
		},
	}
	cmd.AddCommand(commands...)
	return cmd
}

// words returns the names of the subcommands of a command.
func words(cmd *cobra.Command) []string {
	var list []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			list = append(list, c.Name())
		}
	}
	return list
}

// flagError turns a mistake in flags into a usageError, and suggests the flag that was probably
// meant.
func flagError(cmd *cobra.Command, err error) error {
	if errors.Is(err, pflag.ErrHelp) {
		return err
	}
	var unknown *pflag.NotExistError
	if !errors.As(err, &unknown) {
		return &usageError{err, cmd}
	}
	name := unknown.GetSpecifiedName()
	if unknown.GetSpecifiedShortnames() != "" {
		return usagef(cmd, "unknown flag -%s of %s", name, cmd.CommandPath())
	}
	var flags []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) { flags = append(flags, f.Name) })
	meant := suggest.Closest(name, flags)
	if meant == "" {
		return usagef(cmd, "unknown flag --%s of %s", name, cmd.CommandPath())
	}
	return usagef(cmd, "unknown flag --%s of %s: did you mean --%s?", name, cmd.CommandPath(), meant)
}

// noArgs rejects arguments. The error suggests --name, because users of kind may write the
// cluster's name as an argument.
func noArgs(cmd *cobra.Command, args []string) error {
	switch {
	case len(args) == 0:
		return nil
	case cmd.Flags().Lookup("name") != nil:
		return usagef(cmd, "unexpected argument %q of %s: set the cluster's name with --name", args[0], cmd.CommandPath())
	}
	return usagef(cmd, "unexpected argument %q of %s", args[0], cmd.CommandPath())
}

// someArgs requires at least one argument.
func someArgs(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return usagef(cmd, "%s needs %s", cmd.CommandPath(), what)
		}
		return nil
	}
}

// limitFlag adds a flag for a time limit. A negative value is rejected before the command does
// anything.
func limitFlag(cmd *cobra.Command, limit *time.Duration, name string, value time.Duration, usage string) {
	cmd.Flags().DurationVar(limit, name, value, usage)
	cmd.PreRunE = func(*cobra.Command, []string) error {
		if *limit < 0 {
			return &usageError{err: fmt.Errorf("--%s must not be negative: %s", name, *limit)}
		}
		return nil
	}
}

// nameVariable is the environment variable with the cluster's name if no flag sets it. It
// corresponds to KIND_CLUSTER_NAME.
const nameVariable = "MKUBE_CLUSTER_NAME"

// nameFlag adds the flag for the cluster's name. Its value must be resolved with clusterName,
// because it may be empty.
func (a app) nameFlag(cmd *cobra.Command, name *string) {
	cmd.Flags().StringVar(name, "name", "", `name of the cluster (default $`+nameVariable+` or "mkube")`)
	// This fails only for an unknown flag or a second registration.
	_ = cmd.RegisterFlagCompletionFunc("name", a.completeClusters)
}

// clusterName returns the value of a flag, or else the variable, or else the default.
func (a app) clusterName(flag string) string {
	for _, name := range []string{flag, a.getenv(nameVariable)} {
		if name != "" {
			return name
		}
	}
	return defaultName
}

// defaultName is the name that config.Cluster.Default sets.
const defaultName = "mkube"

func kubeconfigFlag(cmd *cobra.Command, path *string) {
	cmd.Flags().StringVar(path, "kubeconfig", "", "kubeconfig file (default $KUBECONFIG or ~/.kube/config)")
}

// forName returns the flag that a suggested command needs for this cluster, or "" for the default
// cluster.
func (a app) forName(name string) string {
	if name == a.clusterName("") {
		return ""
	}
	return " --name " + name
}

// tell prints a line for the user to standard error.
func (a app) tell(format string, args ...any) {
	fmt.Fprintf(a.err, strings.TrimSuffix(format, "\n")+"\n", args...)
}
