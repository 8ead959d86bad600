package progress

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// frameEvery is the time between two frames of the board. Ten frames a second are not too many for
// a terminal over SSH.
const frameEvery = 100 * time.Millisecond

// The control sequences (ECMA-48; DECTCEM of DEC for the visibility of the cursor).
const (
	cursorUp   = "\x1b[%dA"
	clearRight = "\x1b[K"
	clearBelow = "\x1b[J"
	hideCursor = "\x1b[?25l"
	showCursor = "\x1b[?25h"
)

// tty redraws a board in place. Only its pacer and Close write to the output.
type tty struct {
	opts    Options
	symbols symbols
	color   bool
	once    sync.Once // of Close

	mu     sync.Mutex
	out    stream
	steps  steps
	lines  lineBuffer
	above  []string // lines of other sources, which the next drawing puts above the board
	drawn  []row    // the board on the screen; the cursor is on the line below it
	hidden bool     // whether the cursor is hidden
	frame  int
	pacer  *pacer
	closed bool
}

func newTTY(out io.Writer, opts Options) *tty {
	t := &tty{opts: opts, out: stream{out: out}}
	t.symbols = symbolsFor(opts.ascii())
	t.color = !opts.NoColor && opts.Getenv("NO_COLOR") == ""
	t.pacer = newPacer(frameEvery, t.tick)
	return t
}

func (t *tty) On(e Event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return
	}
	t.steps.apply(t.opts.stamped(e))
	t.pacer.poke()
}

func (t *tty) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return 0, os.ErrClosed
	}
	t.above = append(t.above, t.lines.add(b)...)
	t.pacer.poke()
	return len(b), t.out.err
}

// tick draws the next frame. It reports whether the next frame will differ.
func (t *tty) tick() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.frame++
	t.draw(false)
	return !t.steps.allOver()
}

func (t *tty) Close() error {
	t.once.Do(func() {
		t.pacer.stop()
		t.mu.Lock()
		defer t.mu.Unlock()
		t.closed = true
		t.above = append(t.above, t.lines.rest()...)
		t.draw(true)
	})
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.out.err
}

// draw updates the screen with one write, or with none if nothing has changed. It draws the final
// board as a whole. That board may scroll, because its first line is never needed again.
func (t *tty) draw(final bool) {
	columns, height := t.opts.size()
	if height < 2 && !final {
		return // no room for a board and the cursor below it
	}
	b := board{symbols: t.symbols, color: t.color, columns: columns, rows: height - 1,
		now: t.opts.Now(), frame: t.frame, final: final}
	if final {
		b.rows = len(t.steps.list) + 1
	}
	rows := b.draw(&t.steps)
	if !final && len(t.above) == 0 && slices.Equal(rows, t.drawn) {
		return
	}
	t.out.write(t.repaint(rows, columns, final))
	t.above, t.drawn = nil, rows
}

// repaint returns the output that replaces the drawn board with the lines above it and the rows.
func (t *tty) repaint(rows []row, columns int, final bool) []byte {
	var b bytes.Buffer
	if !t.hidden && !final && len(rows) > 0 {
		t.hidden = true
		b.WriteString(hideCursor)
	}
	if n := linesOf(t.drawn, columns); n > 0 {
		up := fmt.Sprintf("\r"+cursorUp, n)
		b.WriteString(up)
		if len(t.above) > 0 {
			// Line by line, because tmux keeps the content of the screen if it is cleared in one
			// step.
			b.WriteString(strings.Repeat(clearRight+"\r\n", n) + up)
		}
	}
	for _, line := range t.above {
		b.WriteString(traceLine(line) + "\r\n")
	}
	for _, r := range rows {
		b.WriteString(r.text + clearRight + "\r\n")
	}
	if len(t.drawn) > 0 {
		b.WriteString(clearBelow)
	}
	if t.hidden && final {
		t.hidden = false
		b.WriteString(showCursor)
	}
	return b.Bytes()
}

// linesOf returns the number of lines that the rows take on a terminal with this number of
// columns. A terminal that has become narrower has wrapped longer rows.
func linesOf(rows []row, columns int) int {
	n := 0
	for _, r := range rows {
		n += max(1, (r.cells+columns-1)/columns)
	}
	return n
}

// sgr matches the sequences that only change colors.
var sgr = regexp.MustCompile(`\x1b\[[0-9;:]*m`)

// traceLine returns a line of another source without anything that moves the cursor. It keeps
// colors and tabs.
func traceLine(line string) string {
	var b strings.Builder
	at := 0
	for _, span := range sgr.FindAllStringIndex(line, -1) {
		b.WriteString(keepTabs(line[at:span[0]]))
		b.WriteString(line[span[0]:span[1]])
		at = span[1]
	}
	b.WriteString(keepTabs(line[at:]))
	if at > 0 {
		b.WriteString("\x1b[0m")
	}
	return b.String()
}

func keepTabs(s string) string {
	parts := strings.Split(s, "\t")
	for i := range parts {
		parts[i] = printable(parts[i], false)
	}
	return strings.Join(parts, "\t")
}
