package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/mkube/mkube/pkg/learn/inspect"
	"github.com/mkube/mkube/pkg/pki"
	"github.com/mkube/mkube/pkg/provider"
)

// expiryLimit is the maximum time to read the certificates for a warning. A node that does not
// answer must not delay a command that needs no node.
const expiryLimit = 3 * time.Second

// warnOfExpiry prints a warning if certificates of a cluster are not valid, or not for long. It reads
// them from the nodes that run.
func (a app) warnOfExpiry(ctx context.Context, name string, nodes []provider.Node) {
	if v := a.validity(ctx, nodes); v.Due(a.now()) {
		a.tell("Warning: %s", a.expiry(name, v))
	}
}

// explainExpiry prints a warning after a command that has failed, if certificates of its cluster are
// not valid.
func (a app) explainExpiry(ctx context.Context, cmd *cobra.Command) {
	name, mode := cmd.Flags().Lookup("name"), cmd.Flags().Lookup("progress")
	if name == nil || mode != nil && mode.Value.String() == "json" {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, expiryLimit)
	defer cancel()
	p, err := a.provider()
	if err != nil {
		return // the command has reported it
	}
	cluster := a.clusterName(name.Value.String())
	nodes, err := p.Nodes(ctx, cluster)
	if err != nil {
		return // the command has reported it
	}
	if v := a.validity(ctx, nodes); !v.Holds(a.now()) {
		a.tell("Warning: %s", a.expiry(cluster, v))
	}
}

// validity returns the time in which the certificates of a cluster are valid. It skips nodes that
// cannot be read.
func (a app) validity(ctx context.Context, nodes []provider.Node) pki.Validity {
	ctx, cancel := context.WithTimeout(ctx, expiryLimit)
	defer cancel()
	found, _, err := inspect.Certificates(ctx, nodes, a.now())
	if err != nil {
		return pki.Validity{}
	}
	return found.Validity()
}

// expiry says when certificates of a cluster expire or have expired, and what to do.
func (a app) expiry(name string, v pki.Validity) string {
	verb, at, condition := "expire on", v.NotAfter, ""
	switch now := a.now(); {
	case now.Before(v.NotBefore):
		verb, at, condition = "are not valid until", v.NotBefore, "if the clock of this computer is right, "
	case now.After(v.NotAfter):
		verb = "expired on"
	}
	return fmt.Sprintf("certificates of cluster %q %s %s: %smkube renew certificates%s issues new ones", name, verb, at.Format(time.DateOnly), condition, a.forName(name))
}
