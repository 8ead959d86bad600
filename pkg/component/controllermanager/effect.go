package controllermanager

import (
	"context"
	"errors"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/mkube/mkube/pkg/cluster"
	"github.com/mkube/mkube/pkg/component"
)

// deployment is a Deployment without pods.
const deployment = `apiVersion: apps/v1
kind: Deployment
metadata:
  name: %[1]s
spec:
  replicas: 0
  selector: {matchLabels: {app: %[1]s}}
  template:
    metadata: {labels: {app: %[1]s}}
    spec: {containers: [{name: web, image: mkube.dev/web:1}]}
`

func replicaSet(ctx context.Context, c *cluster.Cluster) error {
	name := component.ScratchName()
	sets, err := c.API.Resource(ctx, cluster.ReplicaSets)
	if err != nil {
		return err
	}
	return component.Scratch(ctx, c, cluster.Deployments, fmt.Appendf(nil, deployment, name), func(*unstructured.Unstructured) error {
		list, err := sets.Namespace("default").List(ctx, metav1.ListOptions{LabelSelector: "app=" + name})
		if err == nil && len(list.Items) == 0 {
			err = errors.New("the Deployment has no ReplicaSet")
		}
		return err
	})
}
