package scheduler

import (
	"context"
	"errors"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/mkube/mkube/pkg/cluster"
	"github.com/mkube/mkube/pkg/component"
)

func places(ctx context.Context, c *cluster.Cluster) error {
	return component.Scratch(ctx, c, cluster.Pods, component.ScratchPod(component.ScratchName()), func(pod *unstructured.Unstructured) error {
		if node, _, _ := unstructured.NestedString(pod.Object, "spec", "nodeName"); node == "" {
			return errors.New("the pod has no node")
		}
		return nil
	})
}
