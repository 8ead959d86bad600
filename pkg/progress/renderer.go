package progress

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"
)

// A Renderer shows events to people or programs. All its methods may be called from
// many goroutines at once; after Close none of them writes anything.
type Renderer interface {
	// On shows one event. It is a Func.
	On(Event)
	// Write shows the lines of others, such as traces, between the events, never
	// within a line or a board. A line without its end is held back until the end
	// comes, or Close, so writers that share a Renderer write whole lines. After
	// Close its error is os.ErrClosed.
	io.Writer
	// Close shows what is still to be shown, leaves the last state on the screen and
	// puts the cursor back. Call it in any event: until then a terminal's cursor may
	// be hidden. It returns the first error of writing; a second call only returns
	// that error again.
	Close() error
}

// Modes are the modes that New knows, to be read by people.
const Modes = "auto, tty, plain or json"

// Options say what New and Table cannot see for themselves. The zero value asks the
// process's environment and the output.
type Options struct {
	// Size returns the terminal's columns and rows, asked before every drawing. Nil
	// asks the output. What is not positive counts as 80 columns or 24 rows.
	Size func() (columns, rows int)
	// NoColor leaves out colours, as a non-empty NO_COLOR in the environment does
	// (https://no-color.org). Only mode tty has any.
	NoColor bool
	// Getenv reads an environment variable: TERM, NO_COLOR, and LC_ALL, LC_CTYPE and
	// LANG, of which the first that is set says whether symbols may be beyond ASCII.
	// Nil is os.Getenv.
	Getenv func(string) string
	// Now is the present time. Nil is time.Now.
	Now func() time.Time
}

// New returns the Renderer of a mode, which writes to out:
//
//   - "tty" is a board that is redrawn in place,
//   - "plain" is a line when a step starts, is ready or fails, and now and then one
//     that says what a slow step waits for,
//   - "json" is an object a line (Event.MarshalJSON),
//   - "auto" or "" is tty if out is a terminal and TERM is not "dumb", else plain.
//
// Another mode is an error.
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

// filled returns o with nothing nil in it.
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

// size is Size with the sizes that it does not know filled in: those of the VT100,
// which all assume.
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

// ascii says whether the locale has no UTF-8. The order of the variables is POSIX's
// (XBD, 8.2 Internationalization Variables).
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

// sizeOf asks the terminal behind out; there being none, it returns zeros.
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
