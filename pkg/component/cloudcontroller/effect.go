package cloudcontroller

import (
	"context"
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/mkube/mkube/pkg/cluster"
	"github.com/mkube/mkube/pkg/component"
)

func gives(ctx context.Context, c *cluster.Cluster) error {
	manifest := fmt.Appendf(nil, `{"apiVersion":"v1","kind":"Service","metadata":{"name":%q},"spec":{"type":"LoadBalancer","ports":[{"port":80}]}}`, component.ScratchName())
	return component.Scratch(ctx, c, cluster.Services, manifest, func(service *unstructured.Unstructured) error {
		if list, _, _ := unstructured.NestedSlice(service.Object, "status", "loadBalancer", "ingress"); len(list) == 0 {
			return errors.New("the Service has no load balancer address")
		}
		return nil
	})
}
