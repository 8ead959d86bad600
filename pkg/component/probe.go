package component

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/mkube/mkube/pkg/cluster"
	"github.com/mkube/mkube/pkg/provider"
)

// Probe asks a health endpoint that only the node itself reaches, by plain HTTP. It
// waits a second or two for a good answer, in the node: a command on a node costs
// more than the question.
func Probe(ctx context.Context, n provider.Node, port int, path string) error {
	_, err := provider.Output(ctx, n, "mkube-probe", strconv.Itoa(port), path)
	if exit := (*provider.ExitError)(nil); errors.As(err, &exit) && exit.Stderr != "" {
		return errors.New(exit.Reason()) // which names the endpoint
	}
	return err
}

// PodReady is the Ready of a static pod, once there is an API server: the kubelet
// shows the pod there, with what its probes say.
func PodReady(name string) func(context.Context, *cluster.Cluster, provider.Node) error {
	return func(ctx context.Context, c *cluster.Cluster, n provider.Node) error {
		pods, err := c.API.Resource(ctx, cluster.Pods)
		if err != nil {
			return err
		}
		pod, err := pods.Namespace("kube-system").Get(ctx, name+"-"+n.Name(), metav1.GetOptions{})
		if err != nil {
			return err
		}
		return PodState(pod)
	}
}

// PodState is nil for a pod that is Ready, else why it is not.
func PodState(pod *unstructured.Unstructured) error {
	if reason := containerReason(pod); reason != "" {
		return fmt.Errorf("pod %s: %s", pod.GetName(), reason)
	}
	if Condition(pod, "Ready") == "True" {
		return nil
	}
	phase, _, _ := unstructured.NestedString(pod.Object, "status", "phase")
	return fmt.Errorf("pod %s is %s and not Ready", pod.GetName(), phase)
}

// containerReason says why a container of a pod is waiting.
func containerReason(pod *unstructured.Unstructured) string {
	statuses, _, _ := unstructured.NestedSlice(pod.Object, "status", "containerStatuses")
	for _, s := range statuses {
		status, _ := s.(map[string]any)
		reason, _, _ := unstructured.NestedString(status, "state", "waiting", "reason")
		message, _, _ := unstructured.NestedString(status, "state", "waiting", "message")
		if reason != "" && message != "" {
			return reason + ": " + message
		}
		if reason != "" {
			return reason
		}
	}
	return ""
}

// Condition is the status of an object's condition: "True", "False", "Unknown", or
// "" when it has none of that type.
func Condition(object *unstructured.Unstructured, kind string) string {
	return conditionField(object, kind, "status")
}

// ConditionMessage is what an object's condition says to a person.
func ConditionMessage(object *unstructured.Unstructured, kind string) string {
	return conditionField(object, kind, "message")
}

func conditionField(object *unstructured.Unstructured, kind, field string) string {
	conditions, _, _ := unstructured.NestedSlice(object.Object, "status", "conditions")
	for _, c := range conditions {
		condition, _ := c.(map[string]any)
		if condition["type"] == kind {
			value, _ := condition[field].(string)
			return value
		}
	}
	return ""
}
