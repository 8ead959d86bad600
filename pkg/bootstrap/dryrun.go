package bootstrap

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/alessio/shellescape"

	"github.com/mkube/mkube/pkg/cluster"
	"github.com/mkube/mkube/pkg/component"
	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/names"
	"github.com/mkube/mkube/pkg/provider"
	"github.com/mkube/mkube/pkg/state"
)

// DryRun writes a shell script that does what Create would do. It creates nothing. The script uses
// docker and the kubectl of a node, and contains the keys of a new cluster, unless o.HideSecrets is
// set. It waits only where it could not continue otherwise. If the provider has no such commands,
// DryRun writes the provider's own preview instead.
//
// DryRun needs only what it writes about. If Create would fail because something else is missing,
// DryRun passes a warning to o.Warn.
func DryRun(ctx context.Context, p provider.Provider, cfg config.Cluster, o Options, w io.Writer) error {
	write, err := writerOf(p, cfg, o)
	if err != nil {
		return err
	}
	warnings, err := foresee(ctx, p, cfg, o)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	if err := write(ctx, &out); err != nil {
		return err
	}
	for _, line := range warnings {
		if o.Warn != nil {
			o.Warn(line)
		}
	}
	_, err = out.WriteTo(w)
	return err
}

// writerOf returns the function that writes the script or the preview of a provider.
func writerOf(p provider.Provider, cfg config.Cluster, o Options) (func(context.Context, io.Writer) error, error) {
	if planner, ok := provider.As[provider.Planner](p); ok {
		return func(ctx context.Context, w io.Writer) error {
			plan, err := planner.Plan(ctx, cfg)
			if err != nil {
				return err
			}
			d := &dryRun{w: w, plan: plan, graph: graphUntil(o.Until, cfg), hide: o.HideSecrets}
			return d.write(ctx, cfg, o)
		}, nil
	}
	if previewer, ok := provider.As[provider.Previewer](p); ok {
		return func(ctx context.Context, w io.Writer) error { return previewer.Preview(ctx, cfg, w) }, nil
	}
	return nil, errors.New("this provider does not support --dry-run")
}

// foresee returns a warning for each problem for which Create would fail. A cluster that exists
// already and a setting that the provider does not support are errors.
func foresee(ctx context.Context, p provider.Provider, cfg config.Cluster, o Options) (warnings []string, err error) {
	existing, err := p.Clusters(ctx)
	if err != nil {
		return nil, err
	}
	if slices.Contains(existing, cfg.Name) {
		return nil, taken(ctx, p, cfg.Name)
	}
	var settings, missing []provider.Problem
	for _, problem := range p.Check(ctx, cfg) {
		if problem.Name == provider.CheckConfig {
			settings = append(settings, problem)
			continue
		}
		if !problem.Warning {
			problem.Err = fmt.Errorf("create cluster would fail: %w", problem.Err)
			problem.Warning = true
		}
		missing = append(missing, problem)
	}
	warnings, err = o.IgnorePreflightErrors.Sort(append(settings, missing...))
	return warnings, errors.Join(err, ctx.Err())
}

// A dryRun writes one script.
type dryRun struct {
	w     io.Writer
	plan  provider.Plan
	graph component.Graph
	// hide is set if the script must not contain secrets. It then does not work.
	hide bool
}

func (d *dryRun) line(format string, args ...any) { fmt.Fprintf(d.w, format+"\n", args...) }

func (d *dryRun) write(ctx context.Context, cfg config.Cluster, o Options) error {
	keys, err := cluster.NewPKI(time.Now())
	if err != nil {
		return err
	}
	c := cluster.New(cfg, nil, keys)
	for _, n := range d.plan.Nodes {
		c.Nodes = append(c.Nodes, provider.Script(n, d.w, d.hide))
	}
	c.Stage = o.Until
	first := c.ControlPlanes()[0]
	c.API.Script = func(ctx context.Context, args []string, input []byte) error {
		cmd := provider.Cmd{}
		if input != nil {
			cmd.Stdin = bytes.NewReader(input)
		}
		return first.Run(ctx, state.Kubectl(cmd, args...))
	}
	d.line("#!/bin/sh\n# Creates cluster %s without mkube. %s\nset -e", cfg.Name, d.secrecy())
	if err := d.nodes(c); err != nil {
		return err
	}
	for _, comp := range d.graph {
		d.line("\n# %s: %s", comp.Name, comp.Short)
		if err := d.component(ctx, c, comp); err != nil {
			return err
		}
	}
	d.line("\n# The entry for your kubectl.\nmkube export kubeconfig --name %s", shellescape.Quote(cfg.Name))
	if d.hide {
		d.line("\n# %s", d.secrecy())
	}
	return nil
}

// secrecy returns a comment about the keys in the script.
func (d *dryRun) secrecy() string {
	if d.hide {
		return "The cluster's private keys are left out on a terminal, so this script does not work.\n" +
			"# To get the whole script, write it to a file: (umask 077; mkube create cluster --dry-run >script.sh)"
	}
	return "This script contains the cluster's private keys: keep it secret."
}

// nodes writes the commands that create the nodes with the files of all components.
func (d *dryRun) nodes(c *cluster.Cluster) error {
	files, err := render(c, d.graph)
	if err != nil {
		return err
	}
	d.line("\n# nodes: machines that boot")
	for _, line := range d.plan.Make {
		d.line("%s", line)
	}
	for _, n := range d.plan.Nodes {
		for _, f := range files[n.Name()] {
			d.line("#   %s", f.Path)
		}
		if d.hide {
			d.line("# (an archive of these files) | %s", d.plan.Put(n))
			continue
		}
		var archive bytes.Buffer
		if err := provider.Archive(&archive, files[n.Name()]); err != nil {
			return err
		}
		d.line("%s | %s", provider.Echo(archive.Bytes()), d.plan.Put(n))
	}
	for _, line := range d.plan.Start {
		d.line("%s", line)
	}
	return nil
}

// component writes the commands that start a component, unless the nodes start it at boot.
func (d *dryRun) component(ctx context.Context, c *cluster.Cluster, comp component.Component) error {
	if startsAtBoot(d.graph)(comp) {
		d.line("# Its files are in the nodes: it starts as they boot.")
		if comp.Name == names.KubeAPIServer {
			return d.await(ctx, c, "get", "--raw", "/readyz")
		}
		return nil
	}
	if comp.Objects != nil {
		objects, err := comp.Objects(c)
		if err != nil {
			return err
		}
		if err := c.API.Apply(ctx, objects); err != nil {
			return err
		}
	}
	up := component.Up{Cluster: c, Files: true}
	for _, n := range comp.Nodes(c) {
		if err := up.Start(ctx, comp, n); err != nil {
			return err
		}
		if comp.Serves == nil {
			continue
		}
		if err := d.await(ctx, c, "get", "node", n.Name()); err != nil {
			return err
		}
		if err := comp.Serves(ctx, c, n); err != nil {
			return err
		}
	}
	return nil
}

// await writes a loop that ends when a kubectl command succeeds.
func (d *dryRun) await(ctx context.Context, c *cluster.Cluster, args ...string) error {
	fmt.Fprint(d.w, "until ")
	var line bytes.Buffer
	first := slices.IndexFunc(d.plan.Nodes, func(n provider.Node) bool { return n.Name() == c.ControlPlanes()[0].Name() })
	n := provider.Script(d.plan.Nodes[first], &line, d.hide)
	if err := n.Run(ctx, state.Kubectl(provider.Cmd{}, args...)); err != nil {
		return err
	}
	d.line("%s >/dev/null 2>&1; do sleep 1; done", bytes.TrimSpace(line.Bytes()))
	return nil
}
