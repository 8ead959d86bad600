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

// NotReadyError says that a component did not become ready.
type NotReadyError struct {
	Component, Node string
	// Last is the last probe's error.
	Last error
	// Cause is why the waiting ended: the context's, or a *CrashError.
	Cause error
	// After is how long was waited.
	After time.Duration
	// Log is the end of the component's log, "" if there is none.
	Log string
	// Kubelet is what the kubelet last complained of the component's pod, "" if nothing or if
	// there is a log.
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
		msg += "\nit has no log; the kubelet's last word on it:\n" + e.Kubelet
	}
	return msg
}

func (e *NotReadyError) Unwrap() error { return e.Cause }

const (
	// pause is the least time between two probes; a slow probe is given twice its own
	// time, up to maxPause, so that asking does not hold up what is asked for. Who has
	// waited for minutes, as on an emulated processor, asks less often: in a fiftieth of
	// that time, and for crashes in a tenth.
	pause    = 100 * time.Millisecond
	maxPause = 300 * time.Millisecond
	// patience is how long a component is waited for before its crashes are looked
	// for, and then the time between two looks.
	patience = 4 * time.Second
)

// breath is the time until the next probe of who waits since start, and whose last probe
// began then.
func breath(start, began time.Time) time.Duration {
	return min(max(pause, 2*time.Since(began)), max(maxPause, time.Since(start)/50))
}

// wait probes until the probe is nil, the component crashes for good, or the context
// ends. Ends before all that it needs is ready are no fault of its own, and do not count: on a slow
// machine kube-controller-manager gives up three times while the API server comes up.
func (u Up) wait(ctx context.Context, c Component, turn Turn, n provider.Node, probe func(context.Context, *cluster.Cluster, provider.Node) error) error {
	start := time.Now()
	look := start.Add(patience)
	said := ""
	unsettled, excused := false, 0
	var last error
	for {
		began := time.Now()
		err := probe(ctx, u.Cluster, n)
		if err == nil {
			return nil
		}
		if ctx.Err() == nil {
			last = err // else it only says that the time is up
		}
		if last != nil && last.Error() != said {
			said = last.Error()
			u.event(progress.Event{Step: c.Name, State: progress.Running, Detail: said})
		}
		if time.Now().After(look) {
			// Those before this look happened, in part, before it was settled.
			excuse := unsettled
			unsettled = !turn.settled()
			if crash := crashed(ctx, c, n); crash != nil {
				if !excuse && !unsettled && crash.Times > excused {
					return u.notReady(ctx, c, n, start, last, crash)
				}
				excused = crash.Times
			}
			look = time.Now().Add(max(patience, time.Since(start)/10))
		}
		select {
		case <-ctx.Done():
			return u.notReady(ctx, c, n, start, last, context.Cause(ctx))
		case <-time.After(breath(start, began)):
		}
	}
}

func (u Up) notReady(ctx context.Context, c Component, n provider.Node, start time.Time, last, cause error) error {
	if errors.Is(cause, errSibling) || errors.Is(cause, context.Canceled) {
		return cause
	}
	if last == nil {
		last = errors.New("it was not asked even once")
	}
	// The context may be over; the log is worth some seconds more.
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
