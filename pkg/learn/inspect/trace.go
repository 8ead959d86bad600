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

// Trace is how a pod came to run, step by step, as far as it got.
type Trace struct {
	Namespace string `json:"namespace"`
	Pod       string `json:"pod"`
	Node      string `json:"node,omitempty"`
	// Owners are those who had the pod made, the nearest first, as KIND/NAME.
	Owners []string `json:"owners,omitempty"`
	Steps  []Step   `json:"steps"`
	// State is the pod's as Tree has it. Next says who should come next, and why it does
	// not; "" where the pod is Ready or has ended.
	State string `json:"state"`
	Next  string `json:"next,omitempty"`
	// Sources are what the steps are taken from, Missing what could not be had.
	Sources []string `json:"sources"`
	Missing []string `json:"missing,omitempty"`
}

// Step is one thing that somebody did.
type Step struct {
	Time time.Time `json:"time"`
	// Exact says that the time is; else it is known to the second.
	Exact bool `json:"exact"`
	// Who is a component or a user, What what they did, Source how that is known.
	Who    string `json:"who"`
	What   string `json:"what"`
	Source string `json:"source"`

	// before is what the step is known to have led to, the zero time for nothing.
	before time.Time
}

// Names of sources.
const (
	fromAudit   = "audit"
	fromEvent   = "event"
	fromRuntime = "containerd"
	fromObject  = "object"
)

// sortTime puts what is known to the second behind all of that second that is known
// better: what was written down later was done by then.
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

// TracePod tells how a pod came to run: by the audit log of the control planes, the
// events and objects of the API, and the runtime of the pod's node. Where there is no
// such pod, the error is an *UnknownError. What of the rest cannot be had is told as
// missing.
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

// tracer gathers what there is to know of a pod.
type tracer struct {
	api     API
	pod     *item
	trace   *Trace
	owners  []owner // the nearest first
	events  []event
	audit   []request
	runtime runtime
}

// owner is an object that had the next one made.
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

// findOwners goes up the chain of controllers in the pod's namespace. One whose plural
// is not its kind and an s, as those of some custom resources, ends it.
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

// first puts a step before all that are there, which it led to.
func (t *tracer) first(s Step) {
	for _, later := range t.trace.Steps {
		if at := later.sortTime(); s.before.IsZero() || at.Before(s.before) {
			s.before = at
		}
	}
	t.trace.Steps = slices.Insert(t.trace.Steps, 0, s)
}

// ownerSteps are when each owner was made and, where that was not what had the pod
// made, when it was last changed before.
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
			until = o.created().Add(time.Second) // what made this one was done by then
		}
	}
}

// writes are the request that made an owner, and the last that changed it before a
// time, if that was done by somebody else than the controller that keeps it.
func (t *tracer) writes(o owner, until time.Time) (made, changed *request) {
	for i := range t.audit {
		r := &t.audit[i]
		about := r.ObjectRef
		if about.Resource != o.resource || about.Name != o.Metadata.Name || about.Subresource == "status" || r.ResponseStatus.Code >= 300 {
			continue
		}
		switch {
		case r.ResponseStatus.Code == 201 && about.Subresource == "":
			made, changed = r, nil // an earlier one of the name is another object
		case r.RequestReceivedTimestamp.Before(until) && !strings.HasSuffix(r.User.Username, ":"+strings.ToLower(o.kind)+"-controller"):
			changed = r
		}
	}
	return made, changed
}

// createdStep is when the pod was made.
func (t *tracer) createdStep() {
	what := "created Pod/" + t.trace.Pod
	switch created, e := t.creation(), t.creationEvent(); {
	case t.static():
		// Last of all: it runs without the API server.
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

// boundStep is when the pod was bound to its node.
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

// creation is the request that made the pod. The log has the name of what asked for
// one; a pod of a controller got its name from the server, and is told from its
// siblings by its controller's event, which follows at once.
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

// creationEvent is what the pod's controller says of having made it, nil for nothing.
func (t *tracer) creationEvent() *event {
	for i, e := range t.events {
		if e.Reason == "SuccessfulCreate" && strings.HasSuffix(e.Message, " "+t.trace.Pod) {
			return &t.events[i]
		}
	}
	return nil
}

// readySteps is when the kubelet reported the pod Ready.
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

// static reports whether the pod is the mirror of a file on its node.
func (t *tracer) static() bool { return t.pod.Metadata.Annotations[mirror] != "" }

// mirror is the annotation of a static pod's object: the UID by which the kubelet, its
// events and the runtime call the pod.
const mirror = "kubernetes.io/config.mirror"

// uid is the pod's for the kubelet and the runtime.
func (t *tracer) uid() string { return cmp.Or(t.pod.Metadata.Annotations[mirror], t.pod.Metadata.UID) }

func (t *tracer) kubelet() string { return "kubelet on " + t.trace.Node }

func (t *tracer) missing(what string) { t.trace.Missing = append(t.trace.Missing, what) }

// created is when an object was, to the second.
func (i item) created() time.Time {
	at, _ := time.Parse(time.RFC3339, i.Metadata.CreationTimestamp)
	return at
}
