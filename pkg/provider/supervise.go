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

// execVariable marks a command and every process that it starts, so that end.sh finds all of them
// on the node. Neither an engine nor sshd can end a command.
const execVariable = "MKUBE_EXEC"

// endLimit is the maximum time to end a command on the node. The script in end.sh sends SIGKILL
// after about a second, and gives up after about three.
const endLimit = 5 * time.Second

// endScript ends a command on a node, with every process that it has started.
//
//go:embed end.sh
var endScript string

// registered runs a command and writes its process number and start time to a file, in which the
// script finds them. Without that file, the script would not find a process that clears its
// environment, and with it the mark.
const registered = `{ read -r MKUBE_STAT <"/proc/$$/stat" && echo "$$ ${MKUBE_STAT##*) }" >"/tmp/mkube-exec-$` + execVariable + `"; } 2>/dev/null; unset MKUBE_STAT; exec "$@"`

// Supervise runs a command with run, the provider's own way to run commands, and keeps the promises
// of Node.Run and Cmd.Guarded about the end of the command. When the command is not needed any
// longer, because ctx has ended or its output cannot be written, run may leave it behind. Supervise
// then ends it with a second command.
func Supervise(ctx context.Context, cmd Cmd, run func(context.Context, Cmd) error) error {
	if ctx.Err() != nil {
		return run(ctx, cmd)
	}
	args := cmd.Args
	s := &supervisor{id: rand.Text(), signal: "TERM", run: run}
	if cmd.TTY {
		s.signal = "HUP" // interactive shells ignore SIGTERM, but obey SIGHUP, which the end of a terminal sends
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

// A supervisor ends one command.
type supervisor struct {
	id, signal string
	run        func(context.Context, Cmd) error
	// lifeline is the input of the guard, nil if there is no guard.
	lifeline *lifeline
	// guarded is closed when the guard has ended. guardErr is its error.
	guarded  chan struct{}
	guardErr error
}

func (s *supervisor) script(guard string) []string {
	return []string{"sh", "-c", endScript, "sh", s.id, s.signal, guard}
}

// guard starts the script next to the command. The script waits for its input to end, which also
// happens when this process is killed.
func (s *supervisor) guard(ctx context.Context) {
	s.lifeline, s.guarded = newLifeline(), make(chan struct{})
	go func() {
		defer close(s.guarded)
		s.guardErr = s.run(context.WithoutCancel(ctx), Cmd{Args: s.script("guard"), Stdin: s.lifeline})
	}()
}

// release ends the guard after the command has ended or its node was lost; the guard detects which.
// The guard must have started before release returns, because it also removes the command's file.
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

// end ends the command, with the guard if there is one.
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
	// An error here means that the node is gone, and its commands with it.
	_ = s.run(ctx, Cmd{Args: s.script("")})
}

// A lifeline is input that ends when it is cut, after a last word.
type lifeline struct {
	last chan string
	rest []byte
	// started is closed at the first Read: the guard has been requested.
	started chan struct{}
	begun   bool
}

func newLifeline() *lifeline {
	return &lifeline{last: make(chan string, 1), started: make(chan struct{})}
}

// cut ends the input after the last word. It may be called only once.
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

// EndingOn returns a writer that writes to w, and calls end with the error of each failed write. If
// w is nil, it returns nil.
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
