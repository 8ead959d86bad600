package cli

import (
	"github.com/spf13/cobra"

	"github.com/mkube/mkube/pkg/bootstrap"
	"github.com/mkube/mkube/pkg/learn/drawing"
)

// Output formats of a graph.
const (
	formatMermaid = "mermaid"
	formatDOT     = "dot"
	formatSVG     = "svg"
)

func (a app) graphCommand() *cobra.Command {
	var o createOptions
	var format string
	cmd := &cobra.Command{
		Use:   "graph",
		Short: "Draw the graph of a cluster's components",
		Long: `Draw the components of a cluster, and the components that each one waits for
when the cluster comes up:

  NEEDS  components that must serve before it can start
  AFTER  components that must be ready before it can start
  USES   components without which it can start, but not become ready

In pictures, an arrow points from a component to those that wait for it.

The graph is that of a default cluster, or of the cluster that a configuration
file describes. No cluster is created or contacted.`,
		Example: `  mkube graph
  mkube graph -o svg > graph.svg
  mkube graph -o mermaid --config cluster.yaml
  mkube graph -o dot | dot -Tpng > graph.png`,
		Args: noArgs,
		RunE: func(*cobra.Command, []string) error { return a.graph(o, format) },
	}
	cmd.Flags().StringVar(&o.config, "config", "", `configuration file of the cluster (default: a default cluster); "-" reads standard input`)
	outputFlag(cmd, &format, formatMermaid, formatDOT, formatSVG)
	return cmd
}

func (a app) graph(o createOptions, format string) error {
	o.controlPlanes = 1
	cfg, err := a.clusterConfig(o)
	if err != nil {
		return &usageError{err: err}
	}
	g := drawing.Of(bootstrap.Components(cfg))
	var data []byte
	switch format {
	case formatMermaid:
		data = []byte(drawing.Mermaid(g))
	case formatDOT:
		data = []byte(drawing.DOT(g))
	case formatSVG:
		data, err = drawing.SVG(g)
	default:
		data = []byte(drawing.Text(g))
	}
	if err != nil {
		return err
	}
	_, err = a.out.Write(data)
	return err
}
