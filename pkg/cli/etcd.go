package cli

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/mkube/mkube/pkg/provider"
	"github.com/mkube/mkube/pkg/state"
)

// formatRaw prints the bytes of a value unchanged.
const formatRaw = "raw"

// etcdProgram is a program on each node, see node-image/kubernetes/etcd.go.
const etcdProgram = "mkube-etcd"

func (a app) etcdCommand() *cobra.Command {
	cmd := group("etcd", "Show what a cluster stores in etcd", a.etcdGetCommand(), a.etcdListCommand(), a.etcdWatchCommand())
	cmd.Long = `Show the objects that the API server stores in etcd, decoded. etcd contains the
whole state of a cluster, with one key per object. The commands read etcd on a
control plane, with the API server's own certificate for etcd, and change
nothing.

Keys begin with /registry/, which you can omit. Kubernetes' own objects are
stored as protobuf, and custom resources as JSON. Both are shown as YAML. etcd
checks no permissions: Secrets are shown as they are stored, and whoever can
read etcd can read every Secret.`
	return cmd
}

func (a app) etcdGetCommand() *cobra.Command {
	var name, format string
	cmd := &cobra.Command{
		Use:   "get KEY",
		Short: "Print the object stored at a key",
		Long: `Print the object that etcd stores at a key, decoded, as YAML or JSON. -o raw
prints the stored bytes. Secrets are shown as they are stored: whoever can read
etcd can read every Secret.`,
		Example: `  mkube etcd get /registry/pods/kube-system/etcd-mkube-control-plane
  mkube etcd get secrets/default/password --name blue
  mkube etcd get namespaces/default -o raw | xxd`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usagef(cmd, "%s needs one key: mkube etcd ls lists them", cmd.CommandPath())
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if format == "" {
				format = formatYAML
			}
			return a.etcd(cmd.Context(), a.clusterName(name), nil, "get", "-o", format, "--", args[0])
		},
	}
	a.nameFlag(cmd, &name)
	outputFlag(cmd, &format, formatYAML, formatJSON, formatRaw)
	return cmd
}

func (a app) etcdListCommand() *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use:   "ls [PREFIX]",
		Short: "Print the keys that begin with a prefix",
		Example: `  mkube etcd ls
  mkube etcd ls pods/kube-system`,
		Args: onePrefix,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.etcd(cmd.Context(), a.clusterName(name), nil, append([]string{"ls", "--"}, args...)...)
		},
	}
	a.nameFlag(cmd, &name)
	return cmd
}

func (a app) etcdWatchCommand() *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use:   "watch [PREFIX]",
		Short: "Print each change below a prefix until Ctrl-C",
		Long: `Print each change of a key that begins with a prefix, from now on, until you
press Ctrl-C. Each change is a YAML document: the object as it is stored then.
Secrets are shown as they are stored.

Run this while you apply a manifest: each write is the work of one component.`,
		Example: `  mkube etcd watch
  mkube etcd watch pods/default --name blue`,
		Args: onePrefix,
		RunE: func(cmd *cobra.Command, args []string) error {
			// The program on the node ends when its input ends. This input stays open until mkube
			// ends, in whatever way.
			in, ends := io.Pipe()
			defer ends.Close()
			return a.etcd(cmd.Context(), a.clusterName(name), in, append([]string{"watch", "--"}, args...)...)
		},
	}
	a.nameFlag(cmd, &name)
	return cmd
}

func onePrefix(cmd *cobra.Command, args []string) error {
	if len(args) > 1 {
		return usagef(cmd, "%s takes one prefix, not %d", cmd.CommandPath(), len(args))
	}
	return nil
}

// etcd runs the program on a control plane, and exits with its exit code.
func (a app) etcd(ctx context.Context, name string, in io.Reader, args ...string) error {
	nodes, err := a.nodes(ctx, name)
	if err != nil {
		return err
	}
	n, err := state.ControlPlane(ctx, nodes)
	if err != nil {
		return err
	}
	err = n.Run(ctx, provider.Cmd{Args: append([]string{etcdProgram}, args...), Stdin: in, Stdout: a.out, Stderr: a.err})
	var exit *provider.ExitError
	switch {
	case !errors.As(err, &exit):
		return err
	case exit.Code == 126 || exit.Code == 127:
		return fmt.Errorf("node %s has no program %s, because its image is older than this mkube: rebuild the image (mkube build node-image) and create the cluster again", n.Name(), etcdProgram)
	}
	return silent(exit.Code)
}
