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

// An Effect is what works once a component is up, and does not before.
type Effect struct {
	// Claim says it: "a Deployment gets a ReplicaSet".
	Claim string
	// Try tries it, until it works or the context ends, and leaves nothing. Nil is that it
	// works.
	Try func(context.Context, *cluster.Cluster) error
}

// Eventually asks until the answer is nil, or the context ends: then it returns the
// last answer that says more than that.
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

// webImage is a small web server that every node has.
const webImage = OwnRegistry + "web:1"

// ScratchName is a name for something that is tried, and that nothing else has.
func ScratchName() string { return fmt.Sprintf("mkube-check-%06x", rand.N(1<<24)) }

// ScratchPod is a pod that nobody needs, as a YAML document.
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

// Scratch creates the object of a YAML document in the namespace default, asks about it
// until the answer is nil or the context ends, and deletes it with all that it owns.
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
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	policy := metav1.DeletePropagationBackground
	return errors.Join(err, objects.Delete(ctx, object.GetName(), metav1.DeleteOptions{PropagationPolicy: &policy}))
}
