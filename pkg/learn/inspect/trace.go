package inspect

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mkube/mkube/pkg/provider"
)

// Trace describes how a pod came to run, step by step, as far as it got.
type Trace struct {
	Namespace string `json:"namespace"`
	Pod       string `json:"pod"`
	Node      string `json:"node,omitempty"`
	// Owners are the owners of the pod, as KIND/NAME. The direct owner comes first.
	Owners []string `json:"owners,omitempty"`
	Steps  []Step   `json:"steps"`
	// State is the state of the pod as in Tree. Next is the next step, and why it has not
	// happened. It is "" if the pod is Ready or has ended.
	State string `json:"state"`
	Next  string `json:"next,omitempty"`
	// Sources lists the sources of the steps, and Missing the information that is not available.
	Sources []string `json:"sources"`
	Missing []string `json:"missing,omitempty"`
}

// Step is a single action.
type Step struct {
	Time time.Time `json:"time"`
	// Exact reports whether the time is exact. Otherwise, it is in whole seconds.
	Exact bool `json:"exact"`
	// Who is a component or a user, What is the action, and Source is the source of the
	// information.
	Who    string `json:"who"`
	What   string `json:"what"`
	Source string `json:"source"`

	// before is the time of the earliest step that this step is known to have caused, or the
	// zero time.
	before time.Time
}

// The values of Step.Source.
const (
	fromAudit   = "audit"
	fromEvent   = "event"
	fromRuntime = "containerd"
	fromObject  = "object"
)

// sortTime returns the time for sorting. A time in whole seconds sorts after all exact times in
// that second, because a record is written after the action. It still sorts before the steps
// that it caused.
func (s Step) sortTime() time.Time {
	if s.Exact {
		return s.Time
	}
	last := s.Time.Truncate(time.Second).Add(time.Second - 1)
	if !s.before.IsZero() && s.before.Before(last) {
		return s.before
	}
	return last
}

// TracePod returns how a pod came to run. Its sources are the audit logs of the control planes,
// the events and objects of the API, and the container runtime of the pod's node. If the pod
// does not exist, the error is an *UnknownError. Sources that are not available are listed in
// Missing.
func TracePod(ctx context.Context, api API, nodes []provider.Node, namespace, name string) (*Trace, error) {
	p, err := findPod(ctx, api, namespace, name)
	if err != nil {
		return nil, err
	}
	t := &tracer{api: api, pod: p, trace: &Trace{Namespace: namespace, Pod: name, Node: p.Spec.NodeName, State: p.state("Pod")}}
	t.findOwners(ctx)
	t.readEvents(ctx)
	t.readAudit(ctx, nodes)
	t.readRuntime(ctx, nodes)
	t.boundStep()
	t.eventSteps()
	t.runtimeSteps()
	t.readySteps()
	t.createdStep()
	t.ownerSteps()
	slices.SortStableFunc(t.trace.Steps, func(a, b Step) int { return a.sortTime().Compare(b.sortTime()) })
	t.trace.Next = t.next()
	return t.trace, ctx.Err()
}

// tracer collects the information about a pod.
type tracer struct {
	api     API
	pod     *item
	trace   *Trace
	owners  []owner // the direct owner comes first
	events  []event
	audit   []request
	runtime runtime
}

// owner is an object that owns the pod, or an owner of such an object.
type owner struct {
	kind, resource string
	item
}

func findPod(ctx context.Context, api API, namespace, name string) (*item, error) {
	var list struct{ Items []item }
	if err := get(ctx, api, "/api/v1/namespaces/"+namespace+"/pods", &list); err != nil {
		return nil, fmt.Errorf("listing the pods of namespace %q: %w", namespace, err)
	}
	var names []string
	for i := range list.Items {
		if list.Items[i].Metadata.Name == name {
			return &list.Items[i], nil
		}
		names = append(names, list.Items[i].Metadata.Name)
	}
	message := fmt.Sprintf("pod %q does not exist in namespace %q", name, namespace)
	if len(names) > 0 && len(names) <= 10 {
		message += ", which has " + strings.Join(names, ", ")
	}
	return nil, &UnknownError{Message: message, Word: name, Candidates: names}
}

func get(ctx context.Context, api API, path string, into any) error {
	data, err := api.Raw(ctx, path, "")
	if err != nil {
		return err
	}
	return json.Unmarshal(data, into)
}

// findOwners follows the chain of controllers in the pod's namespace. It ends at an owner whose
// plural is not its kind and an s, as for some custom resources.
func (t *tracer) findOwners(ctx context.Context) {
	for of := t.pod; of != nil; {
		i := slices.IndexFunc(of.Metadata.OwnerReferences, func(r reference) bool { return r.Controller })
		if i < 0 {
			return
		}
		r := of.Metadata.OwnerReferences[i]
		t.trace.Owners = append(t.trace.Owners, r.Kind+"/"+r.Name)
		resource := strings.ToLower(r.Kind) + "s"
		prefix := "/apis/" + r.APIVersion
		if r.APIVersion == "v1" {
			prefix = "/api/v1"
		}
		found := owner{kind: r.Kind, resource: resource}
		if get(ctx, t.api, prefix+"/namespaces/"+t.trace.Namespace+"/"+resource+"/"+r.Name, &found.item) != nil {
			return
		}
		t.owners = append(t.owners, found)
		of = &t.owners[len(t.owners)-1].item
	}
}

func (t *tracer) step(s Step) { t.trace.Steps = append(t.trace.Steps, s) }

// first adds a step that came before all steps so far, and caused them.
func (t *tracer) first(s Step) {
	for _, later := range t.trace.Steps {
		if at := later.sortTime(); s.before.IsZero() || at.Before(s.before) {
			s.before = at
		}
	}
	t.trace.Steps = slices.Insert(t.trace.Steps, 0, s)
}

// ownerSteps adds a step for the creation of each owner. If an owner was changed later, and the
// change caused the pod, it adds that change too.
func (t *tracer) ownerSteps() {
	until := t.pod.created().Add(time.Second)
	for _, o := range t.owners {
		name := o.kind + "/" + o.Metadata.Name
		made, changed := t.writes(o, until)
		if changed != nil {
			t.first(changed.step("changed " + name))
		}
		if made != nil {
			t.first(made.step("created " + name))
		} else {
			t.first(Step{Time: o.created(), Who: "somebody", What: "created " + name, Source: fromObject})
			t.missing("who created " + name + ": the audit log does not reach back to it")
		}
		if changed == nil {
			until = o.created().Add(time.Second) // the change that caused this owner was before that
		}
	}
}

// writes returns the request that created an owner, and the last one that changed it before
// until. Changes by the owner's own controller do not count.
func (t *tracer) writes(o owner, until time.Time) (made, changed *request) {
	for i := range t.audit {
		r := &t.audit[i]
		about := r.ObjectRef
		if about.Resource != o.resource || about.Name != o.Metadata.Name || about.Subresource == "status" || r.ResponseStatus.Code >= 300 {
			continue
		}
		switch {
		case r.ResponseStatus.Code == 201 && about.Subresource == "":
			made, changed = r, nil // an earlier object with this name is another one
		case r.RequestReceivedTimestamp.Before(until) && !strings.HasSuffix(r.User.Username, ":"+strings.ToLower(o.kind)+"-controller"):
			changed = r
		}
	}
	return made, changed
}

// createdStep adds the creation of the pod.
func (t *tracer) createdStep() {
	what := "created Pod/" + t.trace.Pod
	switch created, e := t.creation(), t.creationEvent(); {
	case t.static():
		// This comes last: a static pod runs without the API server.
		t.step(Step{Time: t.pod.created(), Who: t.kubelet(), What: "made the static pod known to the API server", Source: fromObject})
	case created != nil:
		t.first(created.step(what))
	case e != nil:
		t.first(e.step(what))
	default:
		t.first(Step{Time: t.pod.created(), Who: "somebody", What: what, Source: fromObject})
		t.missing("who created the pod: the audit log does not reach back to it")
	}
}

// boundStep adds the binding of the pod to its node.
func (t *tracer) boundStep() {
	what := "bound it to " + t.trace.Node
	if i := slices.IndexFunc(t.audit, func(r request) bool { return r.is("create", "binding", t.trace.Pod) }); i >= 0 {
		t.step(t.audit[i].step(what))
		return
	}
	for _, e := range t.events {
		if e.InvolvedObject.UID == t.pod.Metadata.UID && e.Reason == "Scheduled" {
			t.step(e.step(what))
		}
	}
}

// creation returns the request that created the pod. If the request had a name, the log contains
// it. The pod of a controller gets its name from the server. It is then identified by the event
// of its controller, which immediately follows the request.
func (t *tracer) creation() *request {
	begin, event := t.pod.created(), t.creationEvent()
	var found *request
	siblings := 0
	for i := range t.audit {
		r := &t.audit[i]
		if r.is("create", "", t.trace.Pod) {
			return r
		}
		at := r.StageTimestamp
		switch {
		case !r.is("create", "", "") || at.Before(begin) || r.RequestReceivedTimestamp.After(begin.Add(time.Second)):
		case event != nil && event.exact() && at.After(event.time()):
		case event != nil && component(r.User.Username) != event.who():
		case found == nil || at.After(found.StageTimestamp):
			found = r
			siblings++
		}
	}
	if event == nil && siblings > 1 {
		t.missing("which pod is which of several that were created in that second: the time may be a sibling's")
	}
	return found
}

// creationEvent returns the event of the pod's controller about the creation of the pod, or nil
// if there is none.
func (t *tracer) creationEvent() *event {
	for i, e := range t.events {
		if e.Reason == "SuccessfulCreate" && strings.HasSuffix(e.Message, " "+t.trace.Pod) {
			return &t.events[i]
		}
	}
	return nil
}

// readySteps adds the moment at which the kubelet reported the pod Ready.
func (t *tracer) readySteps() {
	i := slices.IndexFunc(t.pod.Status.Conditions, func(c condition) bool { return c.Type == "Ready" && c.Status == "True" })
	if i < 0 {
		return
	}
	at, err := time.Parse(time.RFC3339, t.pod.Status.Conditions[i].LastTransitionTime)
	if err != nil {
		return
	}
	const what = "reported the pod Running and Ready"
	after := at
	for _, s := range t.trace.Steps {
		if s.Source == fromRuntime && s.Time.After(after) && s.Time.Before(at.Add(time.Second)) {
			after = s.Time
		}
	}
	for _, r := range t.audit {
		if r.is("patch", "status", t.trace.Pod) && r.RequestReceivedTimestamp.After(after) {
			t.step(r.step(what))
			return
		}
	}
	t.step(Step{Time: at, Who: t.kubelet(), What: what, Source: fromObject})
}

// static reports whether the pod is a mirror pod.
func (t *tracer) static() bool { return t.pod.Metadata.Annotations[mirror] != "" }

// mirror is the annotation of a mirror pod. Its value is the UID that the kubelet, its events
// and the container runtime use for the static pod.
const mirror = "kubernetes.io/config.mirror"

// uid returns the pod's UID in the kubelet and the container runtime.
func (t *tracer) uid() string { return cmp.Or(t.pod.Metadata.Annotations[mirror], t.pod.Metadata.UID) }

func (t *tracer) kubelet() string { return "kubelet on " + t.trace.Node }

func (t *tracer) missing(what string) { t.trace.Missing = append(t.trace.Missing, what) }

// created returns the creation time of an object, in whole seconds. It returns the zero time if
// that is not valid.
func (i item) created() time.Time {
	at, _ := time.Parse(time.RFC3339, i.Metadata.CreationTimestamp)
	return at
}
