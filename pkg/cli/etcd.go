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

// formatRaw is a value as its bytes are.
const formatRaw = "raw"

// etcdProgram is on each node, see node-image/kubernetes/etcd.go.
const etcdProgram = "mkube-etcd"

func (h host) etcdCommand() *cobra.Command {
	cmd := group("etcd", "Show what a cluster has stored in etcd", h.etcdGetCommand(), h.etcdListCommand(), h.etcdWatchCommand())
	cmd.Long = `Show what the API server has stored in etcd, as it is stored: all state of a
cluster is there, a key for each object. It is read on a control plane with the
API server's own certificate for etcd; nothing is changed.

Keys begin with /registry/, which may be left out. Kubernetes' own objects are
stored as protobuf, those of custom resources as JSON; both are shown as YAML.
No one asks who may see what: Secrets are shown as they are stored. Whoever
reads etcd reads every Secret.`
	return cmd
}

func (h host) etcdGetCommand() *cobra.Command {
	var name, format string
	cmd := &cobra.Command{
		Use:   "get KEY",
		Short: "Print the object that is stored at a key",
		Long: `Print the object that etcd has at a key, decoded, as YAML or JSON; -o raw prints
the bytes that are stored. Secrets are shown as they are stored: whoever reads
etcd reads every Secret.`,
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
			return h.etcd(cmd.Context(), h.clusterName(name), nil, "get", "-o", format, "--", args[0])
		},
	}
	h.nameFlag(cmd, &name)
	outputFlag(cmd, &format, formatYAML, formatJSON, formatRaw)
	return cmd
}

func (h host) etcdListCommand() *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use:   "ls [PREFIX]",
		Short: "Print the keys that begin with a prefix",
		Example: `  mkube etcd ls
  mkube etcd ls pods/kube-system`,
		Args: onePrefix,
		RunE: func(cmd *cobra.Command, args []string) error {
			return h.etcd(cmd.Context(), h.clusterName(name), nil, append([]string{"ls", "--"}, args...)...)
		},
	}
	h.nameFlag(cmd, &name)
	return cmd
}

func (h host) etcdWatchCommand() *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use:   "watch [PREFIX]",
		Short: "Print each change below a prefix, until Ctrl-C",
		Long: `Print each change of a key that begins with a prefix, from now on and until
Ctrl-C: the object as it is stored then, as a YAML document. Secrets are shown
as they are stored.

Watch it while you apply something: each write is one component's work.`,
		Example: `  mkube etcd watch
  mkube etcd watch pods/default --name blue`,
		Args: onePrefix,
		RunE: func(cmd *cobra.Command, args []string) error {
			// The program ends with its input, which ends with this one, however that ends.
			in, ends := io.Pipe()
			defer ends.Close()
			return h.etcd(cmd.Context(), h.clusterName(name), in, append([]string{"watch", "--"}, args...)...)
		},
	}
	h.nameFlag(cmd, &name)
	return cmd
}

func onePrefix(cmd *cobra.Command, args []string) error {
	if len(args) > 1 {
		return usagef(cmd, "%s takes one prefix, not %d", cmd.CommandPath(), len(args))
	}
	return nil
}

// etcd runs the program on a control plane.
func (h host) etcd(ctx context.Context, name string, in io.Reader, args ...string) error {
	nodes, err := h.nodes(ctx, name)
	if err != nil {
		return err
	}
	n, err := state.ControlPlane(ctx, nodes)
	if err != nil {
		return err
	}
	err = n.Run(ctx, provider.Cmd{Args: append([]string{etcdProgram}, args...), Stdin: in, Stdout: h.out, Stderr: h.err})
	var exit *provider.ExitError
	switch {
	case !errors.As(err, &exit):
		return err
	case exit.Code == 126 || exit.Code == 127:
		return fmt.Errorf("node %s has no program %s: its image is older than this mkube, so build it (mkube build node-image) and make the cluster anew", n.Name(), etcdProgram)
	}
	return silent(exit.Code)
}
