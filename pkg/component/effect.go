package component

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/mkube/mkube/pkg/cluster"
)

// An Effect is something that works when a component works, and does not work without it.
type Effect struct {
	// Claim describes it in a few words, such as "a Deployment gets a ReplicaSet".
	Claim string
	// Try returns nil as soon as the effect works. If the context ends before, it returns the
	// last error. It deletes everything that it created.
	Try func(context.Context, *cluster.Cluster) error
}

// Eventually calls ask until it returns nil or the context ends. If the context ends, Eventually
// returns the last error that is not only the error of the context.
func Eventually(ctx context.Context, ask func() error) error {
	start := time.Now()
	var last error
	for {
		began := time.Now()
		err := ask()
		if err == nil {
			return nil
		}
		if last == nil || ctx.Err() == nil || !errors.Is(err, ctx.Err()) {
			last = err
		}
		select {
		case <-ctx.Done():
			return last
		case <-time.After(probeDelay(start, began)):
		}
	}
}

// webImage is a small web server, an image that every node has.
const webImage = OwnRegistry + "web:1"

// ScratchName returns a random name for an object that exists only during a check.
func ScratchName() string { return fmt.Sprintf("mkube-check-%06x", rand.N(1<<24)) }

// ScratchPod returns a pod for a check, as a YAML document.
func ScratchPod(name string) []byte {
	return fmt.Appendf(nil, `apiVersion: v1
kind: Pod
metadata:
  name: %s
  namespace: default
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - name: web
    image: %s
`, name, webImage)
}

// Scratch creates an object from a YAML document in the namespace default. It calls ask with the
// current object until ask returns nil or the context ends. Then it deletes the object with
// everything that the object owns.
func Scratch(ctx context.Context, c *cluster.Cluster, kind schema.GroupVersionResource, manifest []byte, ask func(*unstructured.Unstructured) error) error {
	client, err := c.API.Resource(ctx, kind)
	if err != nil {
		return err
	}
	object, err := cluster.Object(manifest)
	if err != nil {
		return err
	}
	objects := client.Namespace("default")
	if _, err := objects.Create(ctx, object, metav1.CreateOptions{}); err != nil {
		return err
	}
	err = Eventually(ctx, func() error {
		now, err := objects.Get(ctx, object.GetName(), metav1.GetOptions{})
		if err != nil {
			return err
		}
		return ask(now)
	})
	// The context may have ended, but the object must not stay.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	policy := metav1.DeletePropagationBackground
	return errors.Join(err, objects.Delete(ctx, object.GetName(), metav1.DeleteOptions{PropagationPolicy: &policy}))
}
