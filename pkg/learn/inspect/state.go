package inspect

import (
	"fmt"
	"slices"
	"strings"
)

// item has the fields of a listed object that are used here.
type item struct {
	Metadata struct {
		Name, Namespace, UID string
		CreationTimestamp    string
		DeletionTimestamp    string
		Annotations          map[string]string
		OwnerReferences      []reference
	}
	Spec   spec
	Status status
	// Endpoints is a field of EndpointSlices.
	Endpoints []struct{ Conditions struct{ Ready *bool } }
}

type reference struct {
	UID, APIVersion, Kind, Name string
	Controller                  bool
}

// spec has the fields that the state of an object depends on.
type spec struct {
	Replicas, Completions int
	Type, ClusterIP       string
	Suspend               bool
	NodeName              string
}

type status struct {
	Phase                                              string
	ReadyReplicas, NumberReady, DesiredNumberScheduled int
	Succeeded                                          int
	Conditions                                         conditions
	ContainerStatuses, InitContainerStatuses           containers
}

// state returns the state of an object of a kind in a few words.
func (i item) state(kind string) string {
	state := i.stateOf(kind)
	if i.Metadata.DeletionTimestamp != "" {
		state = strings.TrimSpace("Terminating " + state)
	}
	return state
}

func (i item) stateOf(kind string) string {
	switch kind {
	case "Deployment", "ReplicaSet", "StatefulSet", "ReplicationController":
		return fmt.Sprintf("%d/%d", i.Status.ReadyReplicas, i.Spec.Replicas)
	case "DaemonSet":
		return fmt.Sprintf("%d/%d", i.Status.NumberReady, i.Status.DesiredNumberScheduled)
	case "Job":
		return i.job()
	case "CronJob":
		if i.Spec.Suspend {
			return "Suspended"
		}
		return ""
	case "Pod":
		return i.pod()
	case "Service":
		return strings.TrimSpace(i.Spec.Type + " " + i.Spec.ClusterIP)
	case "EndpointSlice":
		return i.endpoints()
	}
	return i.other()
}

func (i item) job() string {
	for _, word := range []string{"Complete", "Failed", "Suspended"} {
		if i.Status.Conditions.is(word) {
			return word
		}
	}
	return fmt.Sprintf("%d/%d done", i.Status.Succeeded, max(1, i.Spec.Completions))
}

// pod returns the phase of a pod, with the reason why its first waiting container waits, and
// whether it is Ready.
func (i item) pod() string {
	phase := i.Status.Phase
	for _, c := range slices.Concat(i.Status.InitContainerStatuses, i.Status.ContainerStatuses) {
		if reason := c.State.Waiting.Reason; reason != "" {
			phase += " " + reason
			break
		}
	}
	switch {
	case i.Status.Conditions.is("Ready"):
		phase += " Ready"
	case i.Status.Phase == "Running":
		phase += " not Ready"
	}
	restarts := 0
	for _, c := range i.Status.ContainerStatuses {
		restarts += c.RestartCount
	}
	if restarts > 0 {
		phase += fmt.Sprintf(", restarted %d times", restarts)
	}
	return phase
}

func (i item) endpoints() string {
	ready := 0
	for _, e := range i.Endpoints {
		if e.Conditions.Ready == nil || *e.Conditions.Ready {
			ready++
		}
	}
	return fmt.Sprintf("%d/%d", ready, len(i.Endpoints))
}

// other returns the state of an object of any other kind: a condition, or else its phase.
func (i item) other() string {
	for _, name := range []string{"Ready", "Available", "Established"} {
		for _, c := range i.Status.Conditions {
			switch {
			case c.Type != name:
			case c.Status == "True":
				return name
			case c.Reason != "":
				return "not " + name + ": " + c.Reason
			default:
				return "not " + name
			}
		}
	}
	return i.Status.Phase
}

type conditions []condition

type condition struct{ Type, Status, Reason, Message, LastTransitionTime string }

func (list conditions) is(name string) bool {
	return slices.ContainsFunc(list, func(c condition) bool { return c.Type == name && c.Status == "True" })
}

type containers []struct {
	Name, ContainerID string
	RestartCount      int
	State             struct {
		Waiting struct{ Reason, Message string }
	}
}
