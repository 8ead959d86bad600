package progress

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// symbols are the characters of a board.
type symbols struct {
	ascii                                   bool
	spinner                                 []string
	done, failed, skipped, pending, stopped string
	more, bar                               string
}

func symbolsFor(ascii bool) symbols {
	if ascii {
		return symbols{ascii: true, spinner: []string{"|", "/", "-", `\`},
			done: "+", failed: "x", skipped: "~", pending: ".", stopped: "!", more: "...", bar: "#"}
	}
	return symbols{spinner: strings.Split("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏", ""),
		done: "✓", failed: "✗", skipped: "-", pending: "·", stopped: "!", more: "…", bar: "█"}
}

// The colors, as parameters of "Select Graphic Rendition" (ECMA-48, 8.3.117).
const (
	dim    = "2"
	red    = "31"
	green  = "32"
	yellow = "33"
	cyan   = "36"
)

// board draws steps for one size of the terminal at one time.
type board struct {
	symbols
	color   bool
	columns int       // cells of a line
	rows    int       // maximum number of lines
	now     time.Time // the end of the elapsed time of running steps
	frame   int       // of the spinner
	final   bool      // no more events follow, so a step that still runs was stopped
}

// row is a line of a board and the number of its cells.
type row struct {
	text  string
	cells int
}

// draw returns a line for each step and a last line with the sum. If the steps do not fit, it
// chooses the most important ones. The last cell of a line stays free: when it is written,
// terminals differ in where the cursor is.
func (b board) draw(t *steps) []row {
	if len(t.list) == 0 {
		return nil
	}
	shown := choose(t.list, b.rows-1)
	width := 0
	for _, s := range t.list {
		width = max(width, cells(s.name))
	}
	width = min(width, max(8, b.columns*2/5))
	var rows []row
	for _, s := range shown {
		rows = append(rows, b.line(t, s, width))
	}
	return append(rows, b.sum(t, len(t.list)-len(shown)))
}

// line returns the row of a step: its mark, name, elapsed time, and text.
func (b board) line(t *steps, s *step, width int) row {
	mark, color := b.mark(s)
	took := ""
	if s.state == Running || s.finished() {
		took = seconds(s.elapsed(b.now))
	}
	head := fmt.Sprintf(" %s %6s", pad(clean(s.name, b.ascii), width, b.more), took)
	head = cut(head, b.columns-2, b.more)
	text := ""
	if room := b.columns - 2 - cells(head) - 2; room >= 4 {
		text = "  " + cut(clean(b.text(t, s), b.ascii), room, b.more)
	}
	headColor, textColor := shades(s.state)
	return row{
		text:  b.paint(color, mark) + b.paint(headColor, head) + b.paint(textColor, text),
		cells: cells(mark + head + text),
	}
}

// shades returns the colors of a step's name and text. Running steps stand out.
func shades(state State) (head, text string) {
	switch state {
	case Running:
		return "", ""
	case Failed:
		return "", red
	case Done:
		return "", dim
	}
	return dim, dim
}

// mark returns the sign of a step's state and its color.
func (b board) mark(s *step) (mark, color string) {
	switch s.state {
	case Running:
		if b.final {
			return b.stopped, yellow
		}
		return b.spinner[b.frame%len(b.spinner)], cyan
	case Done:
		return b.done, green
	case Failed:
		return b.failed, red
	case Skipped:
		return b.skipped, dim
	}
	return b.pending, dim
}

// text returns what a step waits for, or else what it does.
func (b board) text(t *steps, s *step) string {
	undone := func(state State) bool { return state != Done }
	lost := func(state State) bool { return state == Failed || state == Skipped }
	switch {
	case s.state == Running && b.final:
		return withDetail("stopped", s.news())
	case s.news() != "":
		return s.news()
	case s.state == Pending || s.state == Running:
		if needs := t.open(s, undone); len(needs) > 0 {
			return "waits for " + strings.Join(needs, ", ")
		}
	case s.state == Skipped:
		if needs := t.open(s, lost); len(needs) > 0 {
			return "skipped, without " + strings.Join(needs, ", ")
		}
		return "skipped"
	}
	return s.short
}

// sum returns the last line.
func (b board) sum(t *steps, hidden int) row {
	parts := []string{fmt.Sprintf("%d of %d ready", t.count(Done), len(t.list))}
	if n := t.count(Failed); n > 0 {
		parts = append(parts, fmt.Sprintf("%d failed", n))
	}
	if hidden > 0 {
		parts = append(parts, fmt.Sprintf("%d not shown", hidden))
	}
	text := "  " + strings.Join(parts, ", ") + " after " + seconds(t.total(b.now))
	text = cut(text, b.columns-1, b.more)
	return row{text: text, cells: cells(text)}
}

func (b board) paint(color, text string) string {
	if !b.color || color == "" || text == "" {
		return text
	}
	return "\x1b[" + color + "m" + text + "\x1b[0m"
}

// choose returns at most n steps in their order. Failed and running steps take precedence, then
// the next pending ones, then those that ended last.
func choose(list []*step, n int) []*step {
	n = max(n, 0)
	if len(list) <= n {
		return list
	}
	ranked := slices.Clone(list)
	slices.SortStableFunc(ranked, func(a, b *step) int {
		if d := rank(a) - rank(b); d != 0 {
			return d
		}
		return b.ended.Compare(a.ended)
	})
	keep := ranked[:n]
	return slices.DeleteFunc(slices.Clone(list), func(s *step) bool { return !slices.Contains(keep, s) })
}

func rank(s *step) int {
	return slices.Index([]State{Failed, Running, Pending, Done, Skipped}, s.state)
}
