package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/mkube/mkube/pkg/learn/inspect"
)

func (a app) pkiCommand() *cobra.Command {
	var name, format string
	cmd := &cobra.Command{
		Use:   "pki",
		Short: "Show the certificates of a cluster",
		Long: `Show the certificate authorities of a cluster, and every certificate that they
have signed. For each certificate, pki shows the subject, which client or server
presents it and to whom, the DNS names and addresses of a server, the expiry,
and the files that contain it, including kubeconfigs.

A line that begins with WARNING marks a problem, such as a certificate that has
expired, is signed by another authority, or does not match its private key.
"mkube renew certificates" replaces certificates that have expired.
Private keys are compared, but never shown.

mkube reads the files of the nodes and contacts no component. This works even if
the API server is down, for example because of a certificate.`,
		Example: `  mkube pki
  mkube pki --name blue -o json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.pki(cmd.Context(), a.clusterName(name), format) },
	}
	a.nameFlag(cmd, &name)
	outputFlag(cmd, &format, formatJSON)
	return cmd
}

func (a app) pki(ctx context.Context, name, format string) error {
	nodes, err := a.nodes(ctx, name)
	if err != nil {
		return err
	}
	now := a.now()
	found, unread, err := inspect.Certificates(ctx, nodes, now)
	if err != nil {
		return err
	}
	for _, err := range unread {
		a.tell("Warning: %v", err)
	}
	if err := a.print(format, found, func() { fmt.Fprint(a.out, found.Text(now)) }); err != nil {
		return err
	}
	if v := found.Validity(); v.Due(now) {
		a.tell("Warning: %s", a.expiry(name, v))
	}
	if n := found.Warnings(); n > 0 {
		a.tell("Warnings: %d. Each one names a problem and its file.", n)
	}
	return nil
}
