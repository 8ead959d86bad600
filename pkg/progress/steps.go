package progress

import (
	"slices"
	"time"
)

// step is what the events have said of one step so far.
type step struct {
	name, short  string
	needs        []string
	state        State
	detail       string
	begun, ended time.Time // zero when it did not
	took         time.Duration
}

// over says whether nothing more is to come of s.
func (s *step) over() bool {
	return s.state == Done || s.state == Failed || s.state == Skipped
}

// finished says whether s ran to its end, be it a good one or a bad one.
func (s *step) finished() bool { return s.state == Done || s.state == Failed }

// elapsed is how long s ran, or has been running at now.
func (s *step) elapsed(now time.Time) time.Duration {
	if s.state == Running {
		return max(0, now.Sub(s.begun))
	}
	return s.took
}

// steps are all the steps heard of, in the order in which they were first named.
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

// apply takes in one event, which has a time. It returns its step and the state
// that the step had before, or nil when the event is older than the step's end: the
// goroutine that watches a step may still have had a word to say.
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

// keepTime notes when s began and ended, the event's own Elapsed before all else.
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

// open returns the names of those of s's needs for which keep holds. A need that is
// no step is left out.
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

// allOver says whether nothing more is to come of any step.
func (t *steps) allOver() bool {
	return !slices.ContainsFunc(t.list, func(s *step) bool { return !s.over() })
}

// total is the time from the first event to the last one, or to now while something
// is still to come.
func (t *steps) total(now time.Time) time.Duration {
	if t.allOver() {
		now = t.last
	}
	return max(0, now.Sub(t.first))
}

// critical returns the steps that decided how long it all took, from first to last:
// the one that ended last, before it that of its needs that ended last, and so on.
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

// latest returns the step that ran to its end last, of equals the one listed last,
// since steps are told in their order. It is nil when none did.
func latest(list []*step) *step {
	var last *step
	for _, s := range list {
		if s.finished() && (last == nil || !s.ended.Before(last.ended)) {
			last = s
		}
	}
	return last
}
