// Package progress is what happens while a cluster comes up, as events, and the
// renderers that show them: a live board on a terminal, plain lines elsewhere,
// JSON for programs. It knows nothing of clusters.
package progress

import "time"

// State is where a step stands.
type State string

// The states of a step, in the order in which it may go through them.
const (
	Pending State = "pending" // waits for the steps it needs
	Running State = "running" // has begun
	Done    State = "done"
	Failed  State = "failed"
	Skipped State = "skipped" // will not run, since an earlier step failed
)

// Event says that a step changed its state, or, while it is running, what it now
// waits for. MarshalJSON has its form on the wire.
type Event struct {
	// Time is when it happened. The zero time stands for the moment it is received.
	Time time.Time
	// Step is the step's name: a component's, or "node image", "nodes", "kubeconfig".
	Step  string
	State State
	// Short is what the step does, in a few words. Set on the first event of a step.
	Short string
	// Needs are the steps that this one waits for. Set on the first event of a step.
	Needs []string
	// Detail is what a running step waits for now ("/readyz answers 500"), or a
	// failed step's error.
	Detail string
	// Elapsed is the time since the step began, on Done and Failed. Zero stands for
	// the time since its first Running event.
	Elapsed time.Duration
}

// Func takes events. It may be called from many goroutines at once.
type Func func(Event)
