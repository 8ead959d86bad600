package inspect

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/provider"
)

// request is a line of the audit log. See
// https://kubernetes.io/docs/reference/config-api/apiserver-audit.v1/#audit-k8s-io-v1-Event.
type request struct {
	Verb, UserAgent string
	User            struct{ Username string }
	ObjectRef       struct{ Resource, Namespace, Name, Subresource string }
	ResponseStatus  struct{ Code int }
	// RequestReceivedTimestamp is the time of the request, before all its effects.
	// StageTimestamp is the time of the response.
	RequestReceivedTimestamp, StageTimestamp time.Time
}

// is reports whether a request was successful, and has this verb, subresource and pod name.
func (r request) is(verb, subresource, name string) bool {
	o := r.ObjectRef
	return r.Verb == verb && o.Resource == "pods" && o.Subresource == subresource && o.Name == name && r.ResponseStatus.Code < 300
}

func (r request) step(what string) Step {
	who := component(r.User.Username)
	if who == r.User.Username { // a user, with some program
		program, _, _ := strings.Cut(r.UserAgent, "/")
		who = program + " as " + who
	}
	return Step{Time: r.RequestReceivedTimestamp, Exact: true, Who: who, What: what, Source: fromAudit}
}

// component returns the component of a system user, and the name of any other user.
func component(user string) string {
	if node, ok := strings.CutPrefix(user, "system:node:"); ok {
		return "kubelet on " + node
	}
	if account, ok := strings.CutPrefix(user, "system:serviceaccount:"); ok {
		return account[strings.LastIndexByte(account, ':')+1:]
	}
	return strings.TrimPrefix(user, "system:")
}

// auditLines prints the lines of the log that mention a namespace. It exits with code 3 if there
// is no log.
const auditLines = `ls /var/log/kubernetes/audit/*.log >/dev/null 2>&1 || exit 3
grep -hF "\"namespace\":\"$1\"" /var/log/kubernetes/audit/*.log || [ $? = 1 ]`

// readAudit reads the logs of all control planes. Each request is in the log of the API server
// that served it.
func (t *tracer) readAudit(ctx context.Context, nodes []provider.Node) {
	for _, n := range nodes {
		if n.Role() != config.ControlPlane {
			continue
		}
		out, err := provider.Output(ctx, n, "sh", "-c", auditLines, "sh", t.trace.Namespace)
		switch {
		case provider.ExitCode(err) == 3:
			t.missing("the audit log of " + n.Name() + ": there is none")
			continue
		case err != nil:
			t.missing("the audit log of " + n.Name() + ": " + reason(err))
			continue
		}
		t.trace.Sources = append(t.trace.Sources, "the audit log of "+n.Name())
		for line := range bytes.Lines(out) {
			var r request
			// The last line may be incomplete. This and all other invalid lines are skipped.
			if json.Unmarshal(line, &r) == nil && r.ObjectRef.Namespace == t.trace.Namespace {
				t.audit = append(t.audit, r)
			}
		}
	}
	slices.SortStableFunc(t.audit, func(a, b request) int {
		return a.RequestReceivedTimestamp.Compare(b.RequestReceivedTimestamp)
	})
}

// reason returns the text of an error without the script that ran on the node.
func reason(err error) string {
	if exit := (*provider.ExitError)(nil); errors.As(err, &exit) {
		return exit.Reason()
	}
	return err.Error()
}

// event is an event of Kubernetes.
type event struct {
	Metadata struct {
		Name              string
		CreationTimestamp time.Time
	}
	InvolvedObject            struct{ UID, FieldPath string }
	Reason, Message, Type     string
	Source                    struct{ Component, Host string }
	ReportingComponent        string
	FirstTimestamp, EventTime *time.Time
	Count                     int
}

func (t *tracer) readEvents(ctx context.Context) {
	var list struct{ Items []event }
	if err := get(ctx, t.api, "/api/v1/namespaces/"+t.trace.Namespace+"/events", &list); err != nil {
		t.missing(fmt.Sprintf("the events: %v", err))
		return
	}
	t.trace.Sources = append(t.trace.Sources, "the events of the namespace")
	uids := []string{t.pod.Metadata.UID, t.uid()}
	for _, o := range t.owners {
		uids = append(uids, o.Metadata.UID)
	}
	t.events = slices.DeleteFunc(list.Items, func(e event) bool { return !slices.Contains(uids, e.InvolvedObject.UID) })
	slices.SortStableFunc(t.events, func(a, b event) int { return a.time().Compare(b.time()) })
}

// time returns the time of the first occurrence. The fields have whole seconds, but client-go
// adds the nanoseconds of the same moment to the name, in hexadecimal (GenerateEventName in
// k8s.io/client-go/tools/internal/events).
func (e event) time() time.Time {
	if nano, ok := e.nano(); ok {
		return nano
	}
	return e.told()
}

func (e event) exact() bool { _, ok := e.nano(); return ok }

func (e event) told() time.Time {
	switch {
	case e.EventTime != nil:
		return *e.EventTime
	case e.FirstTimestamp != nil:
		return *e.FirstTimestamp
	}
	return e.Metadata.CreationTimestamp
}

func (e event) nano() (time.Time, bool) {
	n, err := strconv.ParseInt(e.Metadata.Name[strings.LastIndexByte(e.Metadata.Name, '.')+1:], 16, 64)
	at := time.Unix(0, n).UTC()
	// Any name may end like this by chance, so the time must be within two seconds of the field.
	return at, err == nil && at.Sub(e.told()).Abs() < 2*time.Second
}

func (e event) who() string {
	who := e.Source.Component
	if who == "" {
		who = e.ReportingComponent
	}
	if who == "kubelet" {
		return who + " on " + e.Source.Host
	}
	return strings.Replace(who, "default-scheduler", "kube-scheduler", 1)
}

func (e event) step(what string) Step {
	return Step{Time: e.time(), Exact: e.exact(), Who: e.who(), What: what, Source: fromEvent}
}

// known are the reasons of events that other steps describe better.
var known = []string{"Scheduled", "Created", "Started"}

// eventSteps adds the pod's events.
func (t *tracer) eventSteps() {
	for _, e := range t.events {
		if e.InvolvedObject.UID != t.pod.Metadata.UID && e.InvolvedObject.UID != t.uid() {
			continue
		}
		if slices.Contains(known, e.Reason) && t.runtime.sandboxes() > 0 {
			continue
		}
		message, _, _ := strings.Cut(e.Message, "\n")
		what := e.Reason + ": " + message
		if e.Count > 1 {
			what += fmt.Sprintf(" (%d times)", e.Count)
		}
		if e.Reason != "Scheduled" { // boundStep has added the binding
			t.step(e.step(what))
		}
	}
}
