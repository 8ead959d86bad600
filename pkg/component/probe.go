package component

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/mkube/mkube/pkg/cluster"
	"github.com/mkube/mkube/pkg/provider"
)

// Probe probes a health endpoint that listens on the node's loopback interface. scheme is "http"
// or "https"; the certificate is not verified. mkube-probe retries for about a second and a half
// on the node, because starting another command on a node costs more than a request.
func Probe(ctx context.Context, n provider.Node, scheme string, port int, path string) error {
	_, err := provider.Output(ctx, n, "mkube-probe", scheme, strconv.Itoa(port), path)
	if exit := (*provider.ExitError)(nil); errors.As(err, &exit) && exit.Stderr != "" {
		return errors.New(exit.Reason()) // the reason names the endpoint
	}
	return err
}

// Healthy returns the Ready function of a static pod that has a health endpoint on its node. It
// uses the endpoint of the kubelet's probes, because their result reaches the API up to a second
// later. If the probe fails, and the API server has a reason why the container does not run, the
// error is that reason.
func Healthy(name, scheme string, port int, path string) func(context.Context, *cluster.Cluster, provider.Node) error {
	return func(ctx context.Context, c *cluster.Cluster, n provider.Node) error {
		err := Probe(ctx, n, scheme, port, path)
		if err == nil || ctx.Err() != nil {
			return err
		}
		if why := waiting(ctx, c, name+"-"+n.Name()); why != nil {
			return why
		}
		return err
	}
}

// waiting returns the reason why a container of a pod in kube-system waits. It returns nil if
// none waits, or if the API server does not answer within 5 seconds: it may be the component
// that is probed.
func waiting(ctx context.Context, c *cluster.Cluster, name string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	pods, err := c.API.Resource(ctx, cluster.Pods)
	if err != nil {
		return nil
	}
	pod, err := pods.Namespace("kube-system").Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil
	}
	if reason := containerReason(pod); reason != "" {
		return fmt.Errorf("pod %s: %s", name, reason)
	}
	return nil
}

// PodState returns nil for a pod that is Ready, and otherwise the reason why it is not.
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

// containerReason returns the reason why a container of a pod waits, or "" if none waits.
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

// Condition returns the status of an object's condition: "True", "False", "Unknown", or "" if it
// has no condition of this type.
func Condition(object *unstructured.Unstructured, kind string) string {
	return conditionField(object, kind, "status")
}

// ConditionMessage returns the message of an object's condition, or "" if it has none.
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
