package storage

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/mkube/mkube/pkg/cluster"
	"github.com/mkube/mkube/pkg/component"
)

var classes = schema.GroupVersionResource{Group: "storage.k8s.io", Version: "v1", Resource: "storageclasses"}

// provides creates a claim and a pod that uses it, because a volume is only created for a pod.
// If there is no StorageClass, it creates no claim: the controller manager, which finishes the
// deletion of claims, may be missing too.
func provides(ctx context.Context, c *cluster.Cluster) error {
	if err := anyClass(ctx, c); err != nil {
		return err
	}
	name := component.ScratchName()
	claim := fmt.Appendf(nil, `{"apiVersion":"v1","kind":"PersistentVolumeClaim","metadata":{"name":%q},
		"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Mi"}}}}`, name)
	return component.Scratch(ctx, c, cluster.Claims, claim, func(*unstructured.Unstructured) error {
		return component.Scratch(ctx, c, cluster.Pods, withVolume(component.ScratchPod(name), name), func(*unstructured.Unstructured) error {
			return bound(ctx, c, name)
		})
	})
}

func anyClass(ctx context.Context, c *cluster.Cluster) error {
	client, err := c.API.Resource(ctx, classes)
	if err != nil {
		return err
	}
	list, err := client.List(ctx, metav1.ListOptions{Limit: 1})
	if err == nil && len(list.Items) == 0 {
		err = errors.New("the StorageClass is missing")
	}
	return err
}

func withVolume(pod []byte, claim string) []byte {
	return fmt.Appendf(bytes.Clone(pod), "  volumes: [{name: data, persistentVolumeClaim: {claimName: %s}}]\n", claim)
}

func bound(ctx context.Context, c *cluster.Cluster, name string) error {
	claim, err := c.API.Get(ctx, cluster.Claims, "default", name)
	if err != nil {
		return err
	}
	if phase, _, _ := unstructured.NestedString(claim.Object, "status", "phase"); phase != "Bound" {
		return fmt.Errorf("the claim is %s", phase)
	}
	return nil
}
