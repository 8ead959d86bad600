package progress

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"
)

// A Renderer shows events to people or programs. All its methods are safe for concurrent use.
// After Close, no method writes anything.
type Renderer interface {
	// On shows one event. It is a Func.
	On(Event)
	// Write shows lines of other sources, such as traces, between the events, and never within a
	// line or a board. It holds back an incomplete line until the rest of the line arrives, or
	// Close is called. So writers that share a Renderer must write whole lines. After Close, the
	// error is os.ErrClosed.
	io.Writer
	// Close shows what is still to be shown, leaves the last state on the screen, and shows the
	// cursor again. It must be called in any case, because a terminal's cursor may be hidden until
	// then. It returns the first error of writing. A second call only returns that error again.
	Close() error
}

// Modes lists the modes of New, as text for people.
const Modes = "auto, tty, plain or json"

// Options are what New and Table cannot find out. With the zero value, they use the environment of
// the process and the output.
type Options struct {
	// Size returns the columns and rows of the terminal. It is called before every drawing. If
	// nil, the size is that of the output. Values that are not positive mean 80 columns or 24
	// rows.
	Size func() (columns, rows int)
	// NoColor disables colors, like a non-empty environment variable NO_COLOR
	// (https://no-color.org). Only mode tty uses colors.
	NoColor bool
	// Getenv returns an environment variable. TERM and NO_COLOR are read, and LC_ALL, LC_CTYPE and
	// LANG. The first of these three that is set decides whether symbols outside ASCII are used.
	// If nil, os.Getenv is used.
	Getenv func(string) string
	// Now returns the current time. If nil, time.Now is used.
	Now func() time.Time
}

// New returns the Renderer of a mode, which writes to out:
//
//   - "tty" is a board that is redrawn in place.
//   - "plain" is a line when a step starts, is ready or fails, and from time to time a line with
//     what a slow step waits for, or how many bytes it has copied.
//   - "json" is one object per line (Event.MarshalJSON).
//   - "auto" or "" is tty if out is a terminal and TERM is not "dumb", and otherwise plain.
//
// Any other mode is an error.
func New(mode string, out io.Writer, opts Options) (Renderer, error) {
	opts = opts.filled(out)
	switch mode {
	case "", "auto":
		if isTerminal(out) && opts.Getenv("TERM") != "dumb" {
			return newTTY(out, opts), nil
		}
		return newPlain(out, opts), nil
	case "tty":
		return newTTY(out, opts), nil
	case "plain":
		return newPlain(out, opts), nil
	case "json":
		return newJSON(out, opts), nil
	}
	return nil, fmt.Errorf("unknown progress mode %q: choose %s", mode, Modes)
}

// filled returns o with the defaults of all functions that are nil.
func (o Options) filled(out io.Writer) Options {
	if o.Getenv == nil {
		o.Getenv = os.Getenv
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Size == nil {
		o.Size = func() (int, int) { return sizeOf(out) }
	}
	return o
}

// size returns Size, with unknown values replaced by the size of the VT100, which all programs
// assume.
func (o Options) size() (columns, rows int) {
	columns, rows = o.Size()
	if columns <= 0 {
		columns = 80
	}
	if rows <= 0 {
		rows = 24
	}
	return columns, rows
}

// ascii reports whether the locale has no UTF-8. The order of the variables is that of POSIX (XBD,
// 8.2 Internationalization Variables).
func (o Options) ascii() bool {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if v := o.Getenv(name); v != "" {
			v = strings.ToLower(v)
			return !strings.Contains(v, "utf-8") && !strings.Contains(v, "utf8")
		}
	}
	return true
}

// stamped returns e with a time.
func (o Options) stamped(e Event) Event {
	if e.Time.IsZero() {
		e.Time = o.Now()
	}
	return e
}

func isTerminal(out io.Writer) bool {
	f, ok := out.(interface{ Fd() uintptr })
	return ok && term.IsTerminal(int(f.Fd()))
}

// sizeOf returns the size of the terminal behind out, or zeros if out is not a terminal.
func sizeOf(out io.Writer) (columns, rows int) {
	f, ok := out.(interface{ Fd() uintptr })
	if !ok {
		return 0, 0
	}
	columns, rows, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0, 0
	}
	return columns, rows
}
