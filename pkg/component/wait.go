package component

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mkube/mkube/pkg/cluster"
	"github.com/mkube/mkube/pkg/progress"
	"github.com/mkube/mkube/pkg/provider"
)

// NotReadyError is the error of a component that did not become ready.
type NotReadyError struct {
	Component, Node string
	// Last is the error of the last probe.
	Last error
	// Cause is the reason why the wait ended: the cause of the context, or a *CrashError.
	Cause error
	// After is the length of the wait.
	After time.Duration
	// Log is the end of the component's log, "" if it has none.
	Log string
	// Kubelet is the kubelet's last warning or error about the component's pod, "" if there
	// is none, or if there is a log.
	Kubelet string
}

func (e *NotReadyError) Error() string {
	msg := fmt.Sprintf("%s on %s: not ready: %v", e.Component, e.Node, e.Last)
	switch crash := (*CrashError)(nil); {
	case errors.As(e.Cause, &crash):
		msg = fmt.Sprintf("%s on %s: %v", e.Component, e.Node, crash)
	case errors.Is(e.Cause, context.DeadlineExceeded):
		msg += fmt.Sprintf(" (gave up after %s)", e.After.Round(time.Second))
	}
	if e.Log != "" {
		msg += "\nthe end of its log:\n" + e.Log
	}
	if e.Kubelet != "" {
		msg += "\nit has no log; the kubelet's last message about it:\n" + e.Kubelet
	}
	return msg
}

func (e *NotReadyError) Unwrap() error { return e.Cause }

const (
	// pause is the minimum time between two probes, and maxPause the maximum in a short wait.
	pause    = 100 * time.Millisecond
	maxPause = 300 * time.Millisecond
	// crashCheckInterval is the time until the first check for crashes, and the minimum time
	// between two checks.
	crashCheckInterval = 4 * time.Second
)

// probeDelay returns the time until the next probe, for a wait that started at start and whose
// last probe started at began. It is twice as long as the last probe took, so that probes do
// not slow down the component, but at least pause, and at most maxPause or a fiftieth of the
// time waited so far.
func probeDelay(start, began time.Time) time.Duration {
	// The fiftieth: after minutes, as on an emulated processor, probes are less frequent.
	return min(max(pause, 2*time.Since(began)), max(maxPause, time.Since(start)/50))
}

// wait probes until the probe returns nil, the component keeps crashing, or the context ends.
//
// Crashes do not count while a component that it needs is not ready yet (see Signals.NeedsReady):
// on a slow machine, kube-controller-manager exits three times while the API server comes up. Nor
// does the exit of a process that has waited since then.
func (u Up) wait(ctx context.Context, c Component, signals Signals, n provider.Node, probe func(context.Context, *cluster.Cluster, provider.Node) error) error {
	start := time.Now()
	nextCheck := start.Add(crashCheckInterval)
	reported := ""
	// unsettled is whether a need was not ready at the last check for crashes, and excused is
	// the number of crashes by then, which do not count.
	unsettled, excused := false, 0
	var settled time.Time // when the needs were found to be ready, zero before that
	if signals.needsReady() {
		settled = start
	}
	var last error
	for {
		began := time.Now()
		err := probe(ctx, u.Cluster, n)
		if err == nil {
			return nil
		}
		if ctx.Err() == nil {
			last = err // otherwise it only reports that the context ended
		}
		if last != nil && last.Error() != reported {
			reported = last.Error()
			u.event(progress.Event{Step: c.Name, State: progress.Running, Detail: reported})
		}
		if time.Now().After(nextCheck) {
			// If a need was not ready at the last check, some crashes since then may have
			// happened before it became ready: they do not count either.
			excuse := unsettled
			unsettled = !signals.needsReady()
			if settled.IsZero() && !unsettled {
				settled = time.Now()
			}
			if crash := crashed(ctx, c, n); crash != nil {
				if !excuse && !unsettled && crash.Times > excused && !crash.waited(time.Since(settled)) {
					return u.notReady(ctx, c, n, start, last, crash)
				}
				excused = crash.Times
			}
			// The tenth: after minutes, checks are less frequent as well.
			nextCheck = time.Now().Add(max(crashCheckInterval, time.Since(start)/10))
		}
		select {
		case <-ctx.Done():
			return u.notReady(ctx, c, n, start, last, context.Cause(ctx))
		case <-time.After(probeDelay(start, began)):
		}
	}
}

// notReady returns the error of a wait that ended: cause if the wait was interrupted or another
// component failed, otherwise a *NotReadyError.
func (u Up) notReady(ctx context.Context, c Component, n provider.Node, start time.Time, last, cause error) error {
	if errors.Is(cause, errSibling) || errors.Is(cause, context.Canceled) {
		return cause
	}
	if last == nil {
		last = errors.New("no probe completed")
	}
	// The context may have ended, but the log is worth some more seconds.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	e := &NotReadyError{
		Component: c.Name, Node: n.Name(), Last: last, Cause: cause,
		After: time.Since(start), Log: logTail(ctx, c, n),
	}
	if e.Log == "" && c.Manifest != nil {
		e.Kubelet = complaint(ctx, c, n)
	}
	return e
}
