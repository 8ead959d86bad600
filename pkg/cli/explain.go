package cli

import (
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/mkube/mkube/pkg/bootstrap"
	"github.com/mkube/mkube/pkg/cluster"
	"github.com/mkube/mkube/pkg/component"
	"github.com/mkube/mkube/pkg/config"
)

func (a app) explainCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "explain [COMPONENT]",
		Short: "Explain what a component of Kubernetes does, and how mkube runs it",
		Long: `Explain a component: its responsibility, its flags with the reason for each, the
files that it reads, the ports that it listens on and their clients, and a
lesson. Without a component, explain lists all components with their
responsibilities.

Flags and files are those of the first control plane of a default cluster. The
component load-balancer is explained for a cluster with several control planes.
No cluster is needed.`,
		Example: `  mkube explain
  mkube explain kube-scheduler`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usagef(cmd, "%s takes one component, not %d", cmd.CommandPath(), len(args))
			}
			return knownComponent(cmd, strings.Join(args, ""))
		},
		ValidArgsFunction: completeComponents,
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return a.responsibilities()
			}
			return a.explain(args[0])
		},
	}
}

// everything returns a configuration with every component that a cluster can have.
func everything() config.Cluster {
	nodes := []config.Node{{Role: config.ControlPlane}, {Role: config.ControlPlane}, {Role: config.ControlPlane}}
	return config.Cluster{Nodes: nodes, Addons: config.Addons()}.Default()
}

// responsibilities lists all components.
func (a app) responsibilities() error {
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "COMPONENT\tRESPONSIBILITY")
	for _, c := range bootstrap.Components(everything()) {
		fmt.Fprintf(w, "%s\t%s\n", c.Name, c.Short)
	}
	return w.Flush()
}

func (a app) explain(name string) error {
	cfg := config.Cluster{Addons: config.Addons()}
	if name == loadBalancer {
		cfg = everything()
	}
	cl, err := example(cfg.Default())
	if err != nil {
		return err
	}
	graph := bootstrap.Components(cl.Config)
	i := slices.IndexFunc(graph, func(c component.Component) bool { return c.Name == name })
	text, err := explanation(cl, graph, graph[i])
	if err != nil {
		return err
	}
	_, err = fmt.Fprint(a.out, text)
	return err
}

// loadBalancer is the component that only clusters with several control planes have.
const loadBalancer = "load-balancer"

// explanation returns the description of a component, see the help of explain.
func explanation(cl *cluster.Cluster, graph component.Graph, c component.Component) (string, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s.\n", c.Name, c.Short)
	section := func(title string, lines ...string) {
		if len(lines) > 0 {
			fmt.Fprintf(&b, "\n%s\n%s", title, columns(lines))
		}
	}
	section("COMES UP", order(graph, c)...)
	if c.Effect.Claim != "" {
		section("WORKS BY IT", "  "+c.Effect.Claim)
	}
	section("RUNS AS", runsAs(c))
	n := c.Nodes(cl)[0]
	if c.Flags != nil {
		var lines []string
		for _, f := range c.Flags(cl, n) {
			lines = append(lines, fmt.Sprintf("  --%s=%s\n      %s", f.Name, f.Value, f.Why))
		}
		section("FLAGS, on "+n.Name(), lines...)
	}
	files, err := c.RenderFiles(cl, n)
	if err != nil {
		return "", err
	}
	if c.Manifest != nil {
		manifest, err := c.Manifest(cl, n)
		if err != nil {
			return "", err
		}
		files = append(files, manifest)
	}
	section("FILES, on "+n.Name(), filePaths(files, c.Data)...)
	var ports []string
	for _, p := range c.Ports {
		ports = append(ports, fmt.Sprintf("  %d\t%s\t%s", p.Number, p.Protocol, p.For))
	}
	section("PORTS, and their clients", ports...)
	_, lesson, _ := strings.Cut(c.Lesson, "\n")
	fmt.Fprintf(&b, "\nLESSON\n%s", lesson)
	return b.String(), nil
}

// columns aligns lines at their tabs.
func columns(lines []string) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, line := range lines {
		fmt.Fprintln(w, line)
	}
	_ = w.Flush() // a strings.Builder returns no errors
	return b.String()
}
