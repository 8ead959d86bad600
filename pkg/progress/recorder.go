package progress

import (
	"slices"
	"sync"
	"time"
)

// Tee returns a Func that gives each event to all of fs, in their order. A nil Func
// is left out; of none the result does nothing. It is as safe for concurrent use as
// fs are.
func Tee(fs ...Func) Func {
	fs = slices.DeleteFunc(slices.Clone(fs), func(f Func) bool { return f == nil })
	return func(e Event) {
		for _, f := range fs {
			f(e)
		}
	}
}

// A Recorder keeps the events that pass through it, for Table and CriticalPath. The
// zero value is ready to use, from many goroutines at once. Do not copy it.
type Recorder struct {
	// Next is given each event after it was kept. Nil gives it to nobody.
	Next Func

	mu     sync.Mutex
	events []Event
}

// On keeps e and gives it to Next. An event without a time gets the present one.
func (r *Recorder) On(e Event) {
	if e.Time.IsZero() {
		e.Time = time.Now()
	}
	r.mu.Lock()
	r.events = append(r.events, e)
	r.mu.Unlock()
	if r.Next != nil {
		r.Next(e)
	}
}

// Events returns a copy of what was kept, in the order in which it came. It is nil
// when nothing came.
func (r *Recorder) Events() []Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.events)
}
