package progress

import (
	"slices"
	"sync"
	"time"
)

// Tee returns a Func that passes each event to all of fs, in their order. It skips nil Funcs. It
// is safe for concurrent use if fs are.
func Tee(fs ...Func) Func {
	fs = slices.DeleteFunc(slices.Clone(fs), func(f Func) bool { return f == nil })
	return func(e Event) {
		for _, f := range fs {
			f(e)
		}
	}
}

// A Recorder keeps the events that it receives, for Table and CriticalPath. The zero value is
// ready to use. It is safe for concurrent use, and must not be copied.
type Recorder struct {
	// Next receives each event after it was recorded. If nil, nothing does.
	Next Func

	mu     sync.Mutex
	events []Event
}

// On records e and passes it to Next. An event without a time gets the current time.
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

// Events returns a copy of the recorded events, in the order of their arrival, or nil if there are
// none.
func (r *Recorder) Events() []Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.events)
}
