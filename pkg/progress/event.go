// Package progress shows what happens while a cluster comes up. Other packages emit events, and
// renderers show them: as a live board on a terminal, as plain lines elsewhere, or as JSON for
// programs. The package knows nothing about clusters.
package progress

import "time"

// State is the state of a step.
type State string

// The states of a step, in the order in which a step can have them.
const (
	Pending State = "pending" // waits for other steps
	Running State = "running" // has begun
	Done    State = "done"
	Failed  State = "failed"
	Skipped State = "skipped" // will not run, because an earlier step failed
)

// Event reports a new state of a step, or what a running step waits for now. MarshalJSON describes
// its JSON form.
type Event struct {
	// Time is the time of the event. If zero, it is the time when the event is received.
	Time time.Time
	// Step is the name of the step: a component, or another step such as "nodes" or "kubeconfig".
	Step  string
	State State
	// Short says in a few words what the step does. It is set on the first event of a step.
	Short string
	// Needs lists the steps that this one waits for. It is set on the first event of a step.
	Needs []string
	// Detail is what a running step waits for now ("/readyz answers 500"), or the error of a
	// failed step.
	Detail string
	// Bytes is how much a step has copied so far, for example into a node. TotalBytes is how much
	// there is to copy. Both are 0 if they are not known.
	Bytes, TotalBytes int64
	// Elapsed is the duration of a step that is Done or Failed. If 0, it is the time since the
	// Running event.
	Elapsed time.Duration
}

// Func receives events. It must be safe for concurrent calls.
type Func func(Event)
