package kubelet

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mkube/mkube/pkg/cluster"
	"github.com/mkube/mkube/pkg/component"
	"github.com/mkube/mkube/pkg/names"
	"github.com/mkube/mkube/pkg/provider"
)

// staticPodRuns writes a pod to the kubelet's folder on the first node, and waits until its
// container runs.
func staticPodRuns(ctx context.Context, c *cluster.Cluster) error {
	name, n := component.ScratchName(), c.KubernetesNodes()[0]
	file := provider.File{Path: names.ManifestDir + "/" + name + ".yaml", Data: component.ScratchPod(name)}
	if err := provider.WriteFiles(ctx, n, []provider.File{file}); err != nil {
		return err
	}
	err := component.Eventually(ctx, func() error {
		out, err := provider.Output(ctx, n, "crictl", "ps", "--quiet", "--state", "running", "--label", "io.kubernetes.pod.name="+name+"-"+n.Name())
		if err == nil && len(out) == 0 {
			err = fmt.Errorf("no container of pod %s runs on %s", name, n.Name())
		}
		return err
	})
	// The context may have ended, but the file must not stay.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	_, gone := provider.Output(ctx, n, "rm", "-f", file.Path)
	return errors.Join(err, gone)
}

// nodesReady waits until every node is in the API and Ready.
func nodesReady(ctx context.Context, c *cluster.Cluster) error {
	return component.Eventually(ctx, func() error {
		var errs []error
		for _, n := range c.KubernetesNodes() {
			errs = append(errs, nodeReady(ctx, c, n))
		}
		return errors.Join(errs...)
	})
}
