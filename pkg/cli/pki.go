package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/mkube/mkube/pkg/learn/inspect"
)

func (h host) pkiCommand() *cobra.Command {
	var name, format string
	cmd := &cobra.Command{
		Use:   "pki",
		Short: "Show the certificates of a cluster",
		Long: `Show the authorities of a cluster and every certificate that they have signed:
whom it names, who shows it to whom, the names that a server is reached by, when
it expires, and the files that it lies in, kubeconfigs among them. What will not
be believed has a line WARNING: expired, signed by another authority, with
another's key. Private keys are compared, and never shown.

It reads the nodes' files and asks no component: it works while the API server
is down, or does so because of a certificate.`,
		Example: `  mkube pki
  mkube pki --name blue -o json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return h.pki(cmd.Context(), h.clusterName(name), format) },
	}
	h.nameFlag(cmd, &name)
	outputFlag(cmd, &format, formatJSON)
	return cmd
}

func (h host) pki(ctx context.Context, name, format string) error {
	nodes, err := h.nodes(ctx, name)
	if err != nil {
		return err
	}
	now := h.now()
	found, unread, err := inspect.Certificates(ctx, nodes, now)
	if err != nil {
		return err
	}
	for _, err := range unread {
		h.tell("Warning: %v", err)
	}
	if err := h.print(format, found, func() { fmt.Fprint(h.out, found.Text(now)) }); err != nil {
		return err
	}
	if n := found.Warnings(); n > 0 {
		h.tell("Warnings: %d. They say what will not be believed, and where it lies.", n)
	}
	return nil
}
