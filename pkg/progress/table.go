package progress

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"
)

// CriticalPath returns the names of the steps that determine the total time, in the order in which
// they ran: the step that ended last, before it the one of its needs that ended last, and so on.
// It returns nil if no step has ended.
func CriticalPath(events []Event) []string {
	var names []string
	for _, s := range replay(events).critical() {
		names = append(names, s.name)
	}
	return names
}

func replay(events []Event) *steps {
	t := &steps{}
	for _, e := range events {
		t.apply(e)
	}
	return t
}

// Table writes a table of the steps and their times to w: a line for each step, sorted by start,
// with its start, its duration and a bar on a time line. A star marks the steps of the critical
// path. All events must have a time, as those of a Recorder have. Without events, it writes
// nothing. Of opts, it uses Size (the columns), Getenv (the locale) and Now (for steps that still
// run). The error is that of writing.
func Table(w io.Writer, events []Event, opts Options) error {
	t := replay(events)
	if len(t.list) == 0 {
		return nil
	}
	opts = opts.filled(w)
	columns, _ := opts.size()
	tab := newTable(t, columns, opts)
	var b strings.Builder
	tab.writeRow(&b, "  STEP", "START", "TOOK", "TIMELINE")
	for _, s := range byStart(t.list) {
		tab.step(&b, s)
	}
	tab.writeRow(&b, "  total", "", seconds(tab.total), "")
	if len(tab.critical) > 0 {
		b.WriteString("\n* on the critical path: the total shrinks only if one of these gets faster\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// table is what the lines of a table have in common.
type table struct {
	symbols
	first    time.Time
	now      time.Time
	total    time.Duration
	critical []*step
	name     int // cells of the first column
	bar      int // cells of the last column
}

const numberCells = 2 + 6 // cells of a column with a time: a gap, then "12m34s"

func newTable(t *steps, columns int, opts Options) *table {
	now := opts.Now()
	tab := &table{symbols: symbolsFor(opts.ascii()), first: t.first, now: now, total: t.tableTotal(now), critical: t.critical()}
	for _, s := range t.list {
		tab.name = max(tab.name, cells(tab.label(s)))
	}
	tab.name = min(tab.name, max(12, columns/2))
	tab.bar = max(8, columns-tab.name-2*numberCells-2)
	return tab
}

// tableTotal returns the total time. Unlike total, it does not continue to now for steps that
// never began.
func (t *steps) tableTotal(now time.Time) time.Duration {
	if t.count(Running) > 0 {
		return max(0, now.Sub(t.first))
	}
	return t.last.Sub(t.first)
}

// byStart returns the steps in the order of their starts, and at the end those that never began.
func byStart(list []*step) []*step {
	list = slices.Clone(list)
	slices.SortStableFunc(list, func(a, b *step) int {
		order := a.begun.Compare(b.begun)
		if a.begun.IsZero() != b.begun.IsZero() {
			return -order // the zero time is the earliest
		}
		return order
	})
	return list
}

// label returns the first column: the star, the name, and the state if it is not Done.
func (t *table) label(s *step) string {
	star := "  "
	if slices.Contains(t.critical, s) {
		star = "* "
	}
	name := clean(s.name, t.ascii)
	if s.state != Done {
		name += " (" + string(s.state) + ")"
	}
	return star + name
}

func (t *table) step(b *strings.Builder, s *step) {
	if s.begun.IsZero() {
		t.writeRow(b, t.label(s), "-", "-", "")
		return
	}
	start, took := max(0, s.begun.Sub(t.first)), s.elapsed(t.now)
	t.writeRow(b, t.label(s), seconds(start), seconds(took), t.timeline(start, took))
}

// timeline returns the bar of a step, which is at least one cell long.
func (t *table) timeline(start, took time.Duration) string {
	if t.total <= 0 {
		return t.symbols.bar
	}
	cell := func(d time.Duration) int {
		return int(math.Round(float64(t.bar) * float64(d) / float64(t.total)))
	}
	from := min(cell(start), t.bar-1)
	to := min(max(cell(start+took), from+1), t.bar)
	return strings.Repeat(" ", from) + strings.Repeat(t.symbols.bar, to-from)
}

func (t *table) writeRow(b *strings.Builder, name, start, took, bar string) {
	line := fmt.Sprintf("%s  %6s  %6s  %s", pad(name, t.name, t.more), start, took, bar)
	b.WriteString(strings.TrimRight(line, " ") + "\n")
}
