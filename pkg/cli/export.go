package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/mkube/mkube/pkg/kubeconfig"
	"github.com/mkube/mkube/pkg/state"
	"github.com/mkube/mkube/pkg/transfer"
)

func (a app) exportCommand() *cobra.Command {
	return group("export", "Export the kubeconfig or the logs of a cluster", a.exportKubeconfigCommand(), a.exportLogsCommand())
}

func (a app) exportKubeconfigCommand() *cobra.Command {
	var name, file string
	var internal bool
	cmd := &cobra.Command{
		Use:   "kubeconfig",
		Short: "Add a cluster to your kubeconfig and make it the current context",
		Example: `  mkube export kubeconfig
  mkube export kubeconfig --name blue --kubeconfig blue.yaml`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.exportKubeconfig(cmd.Context(), a.clusterName(name), file, internal)
		},
	}
	a.nameFlag(cmd, &name)
	kubeconfigFlag(cmd, &file)
	internalFlag(cmd, &internal)
	return cmd
}

func (a app) exportKubeconfig(ctx context.Context, name, file string, internal bool) error {
	c, _, err := a.opened(ctx, name)
	if err != nil {
		return err
	}
	entry, err := state.Entry(ctx, c, internal)
	if err != nil {
		return err
	}
	path, err := kubeconfig.Merge(ctx, kubeconfig.Paths(file, a.getenv, a.home), entry, true)
	if err != nil {
		return err
	}
	a.tell("The current context of %s is now %s.", path, entry.Name)
	return nil
}

func (a app) exportLogsCommand() *cobra.Command {
	var name, progress string
	cmd := &cobra.Command{
		Use:   "logs [DIR]",
		Short: "Write the logs of a cluster's nodes to a folder",
		Long: `Write the logs of a cluster to a folder, and print its path. The folder contains
the console output and the journals of the nodes, the logs of pods, and the
Node, Pod and Event objects. The default is a new folder in the system's folder
for temporary files. If the cluster is partly broken, export collects what it
can, and warns of what is missing.

Only you can read the files. mkube removes the values of environment variables,
private keys, tokens, and passwords in URLs. Other secrets that your pods print
stay in their logs.`,
		Example: `  mkube export logs
  mkube export logs ./logs --name blue`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usagef(cmd, "%s takes one folder, not %d", cmd.CommandPath(), len(args))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			dir := ""
			if len(args) == 1 {
				dir = args[0]
			}
			return a.onConsole(cmd, progress, func(ctx context.Context, s *console) error {
				return a.exportLogs(ctx, s, a.clusterName(name), dir)
			})
		},
	}
	a.nameFlag(cmd, &name)
	progressFlag(cmd, &progress)
	return cmd
}

func (a app) exportLogs(ctx context.Context, s *console, name, dir string) error {
	nodes, err := a.nodes(ctx, name)
	if err != nil {
		return err
	}
	if dir == "" {
		if dir, err = os.MkdirTemp("", state.ContextName(name)+"-logs-"); err != nil {
			return err
		}
	}
	written, err := transfer.ExportLogs(ctx, nodes, dir, s.recorder.On)
	if written == 0 || ctx.Err() != nil {
		return errors.Join(err, ctx.Err())
	}
	for _, missing := range separateErrors(err) {
		s.warn(missing.Error())
	}
	if err := os.WriteFile(filepath.Join(dir, "mkube-version.txt"), []byte(version()+"\n"), 0o600); err != nil {
		return err
	}
	s.words() // the display of the steps ends before the result
	fmt.Fprintln(a.out, dir)
	return nil
}
