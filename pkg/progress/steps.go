package progress

import (
	"slices"
	"strings"
	"time"
)

// step is the state of one step, according to the events so far.
type step struct {
	name, short  string
	needs        []string
	state        State
	detail       string
	bytes, total int64
	begun, ended time.Time // zero if it did not begin or end
	took         time.Duration
}

// over reports whether the step is done, failed or skipped.
func (s *step) over() bool {
	return s.state == Done || s.state == Failed || s.state == Skipped
}

// finished reports whether the step ran and ended, with or without an error.
func (s *step) finished() bool { return s.state == Done || s.state == Failed }

// news returns what the last event told: its detail and its bytes.
func (s *step) news() string {
	return strings.Join(slices.DeleteFunc([]string{s.detail, amount(s.bytes, s.total)}, func(text string) bool { return text == "" }), ": ")
}

// elapsed returns how long the step ran, or how long a running step has been running at now.
func (s *step) elapsed(now time.Time) time.Duration {
	if s.state == Running {
		return max(0, now.Sub(s.begun))
	}
	return s.took
}

// steps are all known steps, in the order of their first events.
type steps struct {
	list        []*step
	first, last time.Time // of all events
}

// named returns the step called name, or nil.
func (t *steps) named(name string) *step {
	i := slices.IndexFunc(t.list, func(s *step) bool { return s.name == name })
	if i < 0 {
		return nil
	}
	return t.list[i]
}

// apply applies one event, which must have a time. It returns the step and its state before. If
// the event is older than the end of the step, it returns nil, because the goroutine that watches
// a step may emit a late event.
func (t *steps) apply(e Event) (*step, State) {
	s := t.named(e.Step)
	if s == nil {
		s = &step{name: e.Step}
		t.list = append(t.list, s)
	}
	if s.over() && e.Time.Before(s.ended) {
		return nil, s.state
	}
	t.span(e.Time)
	before := s.state
	s.state, s.detail = e.State, e.Detail
	s.bytes, s.total = e.Bytes, e.TotalBytes
	if e.Short != "" {
		s.short = e.Short
	}
	if e.Needs != nil {
		s.needs = e.Needs
	}
	s.keepTime(e, before)
	return s, before
}

func (t *steps) span(at time.Time) {
	if t.first.IsZero() || at.Before(t.first) {
		t.first = at
	}
	if at.After(t.last) {
		t.last = at
	}
}

// keepTime sets when s began and ended. The event's own Elapsed takes precedence over the times of
// events.
func (s *step) keepTime(e Event, before State) {
	if e.State == Running && before != Running {
		s.begun, s.ended, s.took = e.Time, time.Time{}, 0
	}
	if !s.over() {
		return
	}
	s.ended = e.Time
	if !s.finished() {
		return
	}
	switch {
	case e.Elapsed > 0:
		s.took, s.begun = e.Elapsed, e.Time.Add(-e.Elapsed)
	case s.begun.IsZero():
		s.begun = e.Time
	default:
		s.took = max(0, e.Time.Sub(s.begun))
	}
}

// open returns the names of those needs of s whose state keep accepts. It omits needs that are not
// steps.
func (t *steps) open(s *step, keep func(State) bool) []string {
	var names []string
	for _, n := range s.needs {
		if need := t.named(n); need != nil && keep(need.state) {
			names = append(names, n)
		}
	}
	return names
}

// count returns how many steps are in the state.
func (t *steps) count(state State) int {
	n := 0
	for _, s := range t.list {
		if s.state == state {
			n++
		}
	}
	return n
}

// allOver reports whether all steps are done, failed or skipped.
func (t *steps) allOver() bool {
	return !slices.ContainsFunc(t.list, func(s *step) bool { return !s.over() })
}

// total returns the time from the first event to the last one, or to now while steps are pending
// or running.
func (t *steps) total(now time.Time) time.Duration {
	if t.allOver() {
		now = t.last
	}
	return max(0, now.Sub(t.first))
}

// critical returns the steps that determine the total time, from first to last: the step that
// ended last, before it the one of its needs that ended last, and so on.
func (t *steps) critical() []*step {
	var path []*step
	for s := latest(t.list); s != nil && !slices.Contains(path, s); {
		path = append(path, s)
		var needs []*step
		for _, n := range s.needs {
			if need := t.named(n); need != nil {
				needs = append(needs, need)
			}
		}
		s = latest(needs)
	}
	slices.Reverse(path)
	return path
}

// latest returns the finished step that ended last. If several ended at the same time, it returns
// the one that is listed last, because steps are announced in their order. It returns nil if no
// step has finished.
func latest(list []*step) *step {
	var last *step
	for _, s := range list {
		if s.finished() && (last == nil || !s.ended.Before(last.ended)) {
			last = s
		}
	}
	return last
}
