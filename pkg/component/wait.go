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
	return msg
}

func (e *NotReadyError) Unwrap() error { return e.Cause }

const (
	// pause is the least time between two probes; a slow probe is given twice its own
	// time, up to maxPause, so that asking does not hold up what is asked for.
	pause    = 100 * time.Millisecond
	maxPause = 300 * time.Millisecond
	// patience is how long a component is waited for before its crashes are looked
	// for, and then the time between two looks.
	patience = 4 * time.Second
)

// wait probes until the probe is nil, the component crashes for good, or the context
// ends.
func (u Up) wait(ctx context.Context, c Component, n provider.Node, probe func(context.Context, *cluster.Cluster, provider.Node) error) error {
	start := time.Now()
	look := start.Add(patience)
	said := ""
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
			if err := crashed(ctx, c, n); err != nil {
				return u.notReady(ctx, c, n, start, last, err)
			}
			look = time.Now().Add(patience)
		}
		select {
		case <-ctx.Done():
			return u.notReady(ctx, c, n, start, last, context.Cause(ctx))
		case <-time.After(min(max(pause, 2*time.Since(began)), maxPause)):
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
	return &NotReadyError{
		Component: c.Name, Node: n.Name(), Last: last, Cause: cause,
		After: time.Since(start), Log: logTail(ctx, c, n),
	}
}
