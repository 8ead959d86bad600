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

// Probe asks a health endpoint that only the node itself reaches, by "http" or, without a look at
// the certificate, "https". It waits a second or two for a good answer, in the node: a
// command on a node costs more than the question.
func Probe(ctx context.Context, n provider.Node, scheme string, port int, path string) error {
	_, err := provider.Output(ctx, n, "mkube-probe", scheme, strconv.Itoa(port), path)
	if exit := (*provider.ExitError)(nil); errors.As(err, &exit) && exit.Stderr != "" {
		return errors.New(exit.Reason()) // which names the endpoint
	}
	return err
}

// Healthy is the Ready of a static pod that has a health endpoint on its node. It asks
// what the kubelet's probes ask: their word comes to the API up to a second later. Where there is
// no good answer, and the API server knows why the container does not run, the error says it.
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

// waiting says why the container of a pod of the system waits, nil if it does not, or if that
// cannot be known within some seconds: it is the component that is waited for.
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
