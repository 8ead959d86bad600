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

// Down takes a component away: its objects, its processes, its files and its data, on
// all its nodes at once. What is gone already is no error, so that it may be tried
// again.
type Down struct {
	Cluster *cluster.Cluster
	// Rest are the components that stay. A file that one of them has too stays as that
	// one has it.
	Rest Graph
}

// Do takes one component away.
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

// end ends the component's process: it takes away what starts it, and waits until it
// has ended.
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

// running prints the containers of a static pod that have not ended, some seconds long
// for as long as there are any.
const running = `for i in $(seq 20); do
  left=$(crictl ps --quiet --name "^$1\$") || exit
  [ -n "$left" ] || exit 0
  sleep 0.25
done
echo "$left"`

// Gone waits until the container of a static pod has ended, whose manifest was taken
// away. A kubelet gives it time for that.
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

// restore takes the component's files away, and puts those of the components that stay
// into their place.
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
		remove = append(remove, f.Path)
	}
	if _, err := provider.Output(ctx, n, remove...); err != nil {
		return err
	}
	return provider.WriteFiles(ctx, n, back)
}

// files are those of the components that stay, by path.
func (d Down) files(n provider.Node) (map[string]provider.File, error) {
	all := map[string]provider.File{}
	for _, c := range d.Rest {
		if !slices.ContainsFunc(c.Nodes(d.Cluster), func(other provider.Node) bool { return other.Name() == n.Name() }) {
			continue
		}
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
