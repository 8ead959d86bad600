package apiserver

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/mkube/mkube/pkg/cluster"
	"github.com/mkube/mkube/pkg/component"
)

func stores(ctx context.Context, c *cluster.Cluster) error {
	manifest := fmt.Appendf(nil, `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":%q}}`, component.ScratchName())
	return component.Scratch(ctx, c, cluster.ConfigMaps, manifest, func(*unstructured.Unstructured) error { return nil })
}
