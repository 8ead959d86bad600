package provider

import (
	"context"
	"crypto/rand"
	_ "embed"
	"errors"
	"io"
	"slices"
	"time"
)

// execVariable marks a command and everything that it starts, so that all of it can be
// found on the node: no engine and no sshd can end a command.
const execVariable = "MKUBE_EXEC"

// endLimit is how long the end of a command on the node may take: the script in end.sh
// kills what has not ended after a second or so.
const endLimit = 5 * time.Second

// endScript ends a command on a node, with all that it has started.
//
//go:embed end.sh
var endScript string

// registered runs a command whose process the script finds by its number and the time of its
// start. A process that empties its environment loses the mark.
const registered = `{ read -r MKUBE_STAT <"/proc/$$/stat" && echo "$$ ${MKUBE_STAT##*) }" >"/tmp/mkube-exec-$` + execVariable + `"; } 2>/dev/null; unset MKUBE_STAT; exec "$@"`

// Supervise runs a command by run, which is a provider's own way to do so, and keeps what
// Node.Run and Cmd.Guarded promise of its end. Where the command is not needed any longer
// (ctx is over, or its output cannot be written) run may leave it behind; it is then ended
// by a second command.
func Supervise(ctx context.Context, cmd Cmd, run func(context.Context, Cmd) error) error {
	if ctx.Err() != nil {
		return run(ctx, cmd)
	}
	args := cmd.Args
	s := &supervisor{id: rand.Text(), signal: "TERM", run: run}
	if cmd.TTY {
		s.signal = "HUP" // which shells heed: it is what a terminal's end sends
	}
	cmd.Env = append(slices.Clip(cmd.Env), execVariable+"="+s.id)
	running, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	cmd.Stdout, cmd.Stderr = EndingOn(cmd.Stdout, cancel), EndingOn(cmd.Stderr, cancel)
	if cmd.Guarded {
		s.guard(ctx)
		cmd.Args = append([]string{"sh", "-c", registered, "sh"}, args...)
	}
	err := run(running, cmd)
	if exit := (*ExitError)(nil); errors.As(err, &exit) {
		exit.Args = args
	} else if err != nil && running.Err() != nil {
		s.end(ctx)
		if ctx.Err() == nil {
			err = context.Cause(running)
		}
		return err
	}
	s.release()
	return err
}

// supervisor ends one command.
type supervisor struct {
	id, signal string
	run        func(context.Context, Cmd) error
	// lifeline is the input of the guard, nil without one.
	lifeline *lifeline
	// guarded is closed when the guard has ended, by guardErr.
	guarded  chan struct{}
	guardErr error
}

func (s *supervisor) script(guard string) []string {
	return []string{"sh", "-c", endScript, "sh", s.id, s.signal, guard}
}

// guard starts the script beside the command. It waits for its input to end, which happens
// also when this process is killed.
func (s *supervisor) guard(ctx context.Context) {
	s.lifeline, s.guarded = newLifeline(), make(chan struct{})
	go func() {
		defer close(s.guarded)
		s.guardErr = s.run(context.WithoutCancel(ctx), Cmd{Args: s.script("guard"), Stdin: s.lifeline})
	}()
}

// release lets the guard go. The command has ended, or its node was lost: the guard sees
// which. It must have been started by then, since it also cleans up.
func (s *supervisor) release() {
	if s.lifeline == nil {
		return
	}
	s.lifeline.cut("")
	select {
	case <-s.lifeline.started:
	case <-s.guarded:
	case <-time.After(endLimit):
	}
}

// end ends the command, by the guard if there is one.
func (s *supervisor) end(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endLimit)
	defer cancel()
	if s.lifeline != nil {
		s.lifeline.cut("end\n")
		select {
		case <-s.guarded:
			if s.guardErr == nil {
				return
			}
		case <-ctx.Done():
			return
		}
	}
	// An error here is that of a node that has gone, and its commands with it.
	_ = s.run(ctx, Cmd{Args: s.script("")})
}

// lifeline is input that ends when it is cut, after a last word.
type lifeline struct {
	last chan string
	rest []byte
	// started is closed when somebody reads: the guard has been asked for.
	started chan struct{}
	begun   bool
}

func newLifeline() *lifeline {
	return &lifeline{last: make(chan string, 1), started: make(chan struct{})}
}

// cut ends the input. It is called once.
func (l *lifeline) cut(last string) { l.last <- last }

func (l *lifeline) Read(p []byte) (int, error) {
	if !l.begun {
		l.begun = true
		close(l.started)
		l.rest = []byte(<-l.last)
	}
	n := copy(p, l.rest)
	l.rest = l.rest[n:]
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

// EndingOn passes on to a writer what is written, and calls end with the error when that
// cannot be written. It returns nil for nil.
func EndingOn(w io.Writer, end context.CancelCauseFunc) io.Writer {
	if w == nil {
		return nil
	}
	return endingWriter{w, end}
}

type endingWriter struct {
	io.Writer
	end context.CancelCauseFunc
}

func (w endingWriter) Write(p []byte) (int, error) {
	n, err := w.Writer.Write(p)
	if err != nil {
		w.end(err)
	}
	return n, err
}
