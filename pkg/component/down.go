package component

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/mkube/mkube/pkg/cluster"
	"github.com/mkube/mkube/pkg/names"
	"github.com/mkube/mkube/pkg/provider"
)

// Down removes components: their objects, processes, files and data, on all their nodes at the
// same time. Something that is already removed is not an error, so a removal can be repeated.
type Down struct {
	Cluster *cluster.Cluster
	// Rest lists the components that stay. If one of them has a file with the same path as the
	// removed component, its file is written again.
	Rest Graph
}

// Do removes one component.
func (d Down) Do(ctx context.Context, c Component) error {
	if c.Objects != nil {
		objects, err := c.Objects(d.Cluster)
		if err != nil {
			return fmt.Errorf("rendering the objects of %s: %w", c.Name, err)
		}
		if err := d.Cluster.API.Remove(ctx, objects); err != nil {
			return err
		}
	}
	g, ctx := errgroup.WithContext(ctx)
	for _, n := range c.Nodes(d.Cluster) {
		g.Go(func() error { return d.on(ctx, c, n) })
	}
	return g.Wait()
}

func (d Down) on(ctx context.Context, c Component, n provider.Node) error {
	if err := d.end(ctx, c, n); err != nil {
		return err
	}
	if err := d.restore(ctx, c, n); err != nil {
		return err
	}
	if c.Stop != nil {
		if err := c.Stop(ctx, d.Cluster, n); err != nil {
			return err
		}
	}
	if len(c.Data) == 0 {
		return nil
	}
	_, err := provider.Output(ctx, n, append([]string{"rm", "-rf"}, c.Data...)...)
	return err
}

// end ends the component's process: it removes its manifest or stops its unit, and waits until
// the process has ended.
func (d Down) end(ctx context.Context, c Component, n provider.Node) error {
	if c.Manifest != nil {
		manifest, err := c.Manifest(d.Cluster, n)
		if err != nil {
			return err
		}
		if _, err := provider.Output(ctx, n, "rm", "-f", manifest.Path); err != nil {
			return err
		}
		if strings.HasPrefix(manifest.Path, names.ManifestDir+"/") {
			return Gone(ctx, c.Name, n)
		}
	}
	shared := slices.ContainsFunc(d.Rest, func(other Component) bool { return other.Unit == c.Unit })
	if c.Unit == "" || shared {
		return nil
	}
	if _, err := provider.Output(ctx, n, "systemctl", "stop", c.Unit); err != nil {
		return fmt.Errorf("stopping %s: %w", c.Unit, err)
	}
	return nil
}

// running prints the IDs of the containers of a static pod that still run after 5 seconds, and
// nothing as soon as none runs. It polls on the node, because each command on a node is
// expensive.
const running = `for i in $(seq 20); do
  left=$(crictl ps --quiet --name "^$1\$") || exit
  [ -n "$left" ] || exit 0
  sleep 0.25
done
echo "$left"`

// Gone waits until the container of a static pod has ended, after the pod's manifest was
// deleted. The kubelet gives the container a grace period.
func Gone(ctx context.Context, name string, n provider.Node) error {
	for {
		out, err := provider.Output(ctx, n, "sh", "-c", running, "sh", name)
		if err != nil {
			return fmt.Errorf("checking whether %s has ended: %w", name, err)
		}
		if len(out) == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(context.Cause(ctx), fmt.Errorf("%s still runs on %s", name, n.Name()))
		case <-time.After(pause):
		}
	}
}

// restore deletes the component's files, and writes the files of the remaining components that
// it had replaced.
func (d Down) restore(ctx context.Context, c Component, n provider.Node) error {
	files, err := c.RenderFiles(d.Cluster, n)
	if err != nil || len(files) == 0 {
		return err
	}
	stay, err := d.files(n)
	if err != nil {
		return err
	}
	var back []provider.File
	remove := []string{"rm", "-f"}
	for _, f := range files {
		if old, ok := stay[f.Path]; ok {
			back = append(back, old)
			continue
		}
		if !f.Mode.IsDir() { // a folder is one of c.Data, which are deleted later
			remove = append(remove, f.Path)
		}
	}
	if _, err := provider.Output(ctx, n, remove...); err != nil {
		return err
	}
	return provider.WriteFiles(ctx, n, back)
}

// files returns the files of the remaining components on a node, by path. For equal paths, the
// later component wins.
func (d Down) files(n provider.Node) (map[string]provider.File, error) {
	all := map[string]provider.File{}
	for _, c := range d.Rest.On(d.Cluster, n) {
		files, err := c.RenderFiles(d.Cluster, n)
		if err != nil {
			return nil, err
		}
		for _, f := range files {
			all[f.Path] = f
		}
	}
	return all, nil
}
