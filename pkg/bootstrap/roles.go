package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/mkube/mkube/pkg/cluster"
)

// controlPlaneRole labels what kubectl get nodes shows as a control plane. A
// kubelet may not give it to itself, see
// https://kubernetes.io/docs/reference/labels-annotations-taints/#node-role-kubernetes-io-control-plane.
const controlPlaneRole = `{"metadata":{"labels":{"node-role.kubernetes.io/control-plane":""}}}`

// labelRoles labels the control planes as soon as they have registered.
func labelRoles(ctx context.Context, c *cluster.Cluster) error {
	nodes, err := c.API.Resource(ctx, cluster.Nodes)
	if err != nil {
		return err
	}
	for _, n := range c.ControlPlanes() {
		for {
			_, err := nodes.Patch(ctx, n.Name(), types.MergePatchType, []byte(controlPlaneRole), metav1.PatchOptions{FieldManager: "mkube"})
			if err == nil {
				break
			}
			if !apierrors.IsNotFound(err) {
				return fmt.Errorf("labelling node %s: %w", n.Name(), err)
			}
			select {
			case <-time.After(100 * time.Millisecond):
			case <-ctx.Done():
				return errors.Join(context.Cause(ctx), fmt.Errorf("node %s did not register", n.Name()))
			}
		}
	}
	return nil
}
