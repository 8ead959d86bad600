package component

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/mkube/mkube/pkg/cluster"
)

// DeploymentReady returns nil when all replicas that a Deployment requests are Ready, and
// otherwise the reason why one of its pods is not.
func DeploymentReady(ctx context.Context, c *cluster.Cluster, namespace, name string) error {
	deployments, err := c.API.Resource(ctx, cluster.Deployments)
	if err != nil {
		return err
	}
	d, err := deployments.Namespace(namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	want, _, _ := unstructured.NestedInt64(d.Object, "spec", "replicas")
	// The condition Available does not help: with one replica, it is true even if no replica is
	// Ready.
	if have, _, _ := unstructured.NestedInt64(d.Object, "status", "readyReplicas"); have < want {
		return unavailable(ctx, c, namespace, d)
	}
	return nil
}

// unavailable returns the reason why a Deployment's pods are not Ready, from the status of one
// of them.
func unavailable(ctx context.Context, c *cluster.Cluster, namespace string, d *unstructured.Unstructured) error {
	pods, err := c.API.Resource(ctx, cluster.Pods)
	if err != nil {
		return err
	}
	selector, _, _ := unstructured.NestedStringMap(d.Object, "spec", "selector", "matchLabels")
	list, err := pods.Namespace(namespace).List(ctx, metav1.ListOptions{LabelSelector: labels.Set(selector).String()})
	if err != nil {
		return err
	}
	for _, pod := range list.Items {
		if err := PodState(&pod); err != nil {
			return err
		}
	}
	return fmt.Errorf("deployment %s has no Ready pod", d.GetName())
}
