package networkpolicies

import (
	"context"
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/mkube/mkube/pkg/cluster"
	"github.com/mkube/mkube/pkg/component"
)

var policies = schema.GroupVersionResource{Group: "networking.k8s.io", Version: "v1", Resource: "networkpolicies"}

// keepOut is a policy that allows no connections to the pods of a label.
const keepOut = `apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: %[1]s}
spec: {podSelector: {matchLabels: {check: %[1]s}}, policyTypes: [Ingress]}
`

// visitor is a pod that succeeds if it reaches its first address, and does not reach its second
// one.
const visitor = `apiVersion: v1
kind: Pod
metadata: {name: %s}
spec:
  restartPolicy: Never
  terminationGracePeriodSeconds: 0
  containers:
  - name: visitor
    image: mkube.dev/web:1
    command: [sh, -c, "busybox timeout 3 wget -q -O /dev/null http://%s/ && ! busybox timeout 3 wget -q -O /dev/null http://%s/"]
`

// keepsOut runs two web servers, one of them isolated by a policy. It then runs visitors until
// one reaches only the other server.
func keepsOut(ctx context.Context, c *cluster.Cluster) error {
	closed, open := component.ScratchName(), component.ScratchName()
	return component.Scratch(ctx, c, policies, fmt.Appendf(nil, keepOut, closed), func(*unstructured.Unstructured) error {
		return withPod(ctx, c, closed, func(shut string) error {
			return withPod(ctx, c, open, func(reached string) error { return visit(ctx, c, reached, shut) })
		})
	})
}

// withPod runs a web server with its name as the value of the label check. When it is Ready,
// withPod calls do with its address until do returns nil.
func withPod(ctx context.Context, c *cluster.Cluster, name string, do func(address string) error) error {
	object, err := cluster.Object(component.ScratchPod(name))
	if err != nil {
		return err
	}
	object.SetLabels(map[string]string{"check": name})
	manifest, err := object.MarshalJSON()
	if err != nil {
		return err
	}
	return component.Scratch(ctx, c, cluster.Pods, manifest, func(pod *unstructured.Unstructured) error {
		address, _, _ := unstructured.NestedString(pod.Object, "status", "podIP")
		if address == "" || component.Condition(pod, "Ready") != "True" {
			return errors.New("a server pod is not Ready")
		}
		return do(address)
	})
}

func visit(ctx context.Context, c *cluster.Cluster, reached, shut string) error {
	return component.Eventually(ctx, func() error {
		manifest := fmt.Appendf(nil, visitor, component.ScratchName(), reached, shut)
		var phase string
		err := component.Scratch(ctx, c, cluster.Pods, manifest, func(pod *unstructured.Unstructured) error {
			phase, _, _ = unstructured.NestedString(pod.Object, "status", "phase")
			if phase != "Succeeded" && phase != "Failed" {
				return errors.New("the client pod has not ended")
			}
			return nil
		})
		if err == nil && phase == "Failed" {
			err = errors.New("the pod that a NetworkPolicy isolates was reached, or the other pod was not")
		}
		return err
	})
}
