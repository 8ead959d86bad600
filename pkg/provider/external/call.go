package external

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

const (
	// replyLimit is the maximum size of a reply, and stderrLimit the size of the end of a program's
	// standard error that is kept, both in bytes.
	replyLimit, stderrLimit = 16 << 20, 4 << 10
	// errorLimit is the maximum number of error replies of one call that are kept, so that a
	// program that repeats them does not fill the memory.
	errorLimit = 100
)

// grace returns the time that an interrupted program has to end before it is killed. A program that
// changes nodes may have to finish a step first.
func grace(method string) time.Duration {
	switch method {
	case "create", "add", "remove", "delete", "stop", "start":
		return 10 * time.Second
	}
	return 2 * time.Second
}

const (
	// lookLimit is the time limit for a call that only reads, and changeLimit for a call that
	// changes nodes. Such a call may boot several machines, and download their image first.
	lookLimit, changeLimit = time.Minute, 30 * time.Minute
)

// limit returns the time limit of a call. It is 0, which means none, for a command on a node.
func limit(method string) time.Duration {
	switch method {
	case "create", "add", "remove", "delete", "stop", "start":
		return changeLimit
	case "run":
		return 0
	}
	return lookLimit
}

// call runs the program for one request. input follows the line of the request; it may be nil. call
// passes each reply to on. If on returns an error, call ends the program and returns that error
// unchanged.
func (p *Provider) call(ctx context.Context, r Request, input io.Reader, on func(Reply) error) error {
	if input == nil {
		input = strings.NewReader("")
	}
	return p.exchange(ctx, r, input, func(r Reply, _ io.WriteCloser) error {
		if on == nil {
			return nil
		}
		return on(r)
	})
}

// exchange is like call, but on may write more input itself: if input is nil, the program's input
// stays open.
func (p *Provider) exchange(ctx context.Context, r Request, input io.Reader, on func(Reply, io.WriteCloser) error) error {
	if err := ctx.Err(); err != nil {
		return p.failed(r.Method, err)
	}
	line, err := json.Marshal(r)
	if err != nil {
		return p.failed(r.Method, err)
	}
	if most := p.limit(r.Method); most > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, most, fmt.Errorf("the program did not end within %s, and was stopped", most))
		defer cancel()
	}
	s, err := p.start(ctx, r.Method)
	if err != nil {
		return p.failed(r.Method, err)
	}
	go s.feed(append(line, '\n'), input)
	return s.finish(ctx, s.read(on))
}

// failed adds the program and the method to each error of a call, and joins the errors.
func (p *Provider) failed(method string, errs ...error) error {
	for i, err := range errs {
		errs[i] = fmt.Errorf("%s: %s: %w", filepath.Base(p.program), method, err)
	}
	if len(errs) == 1 {
		return errs[0]
	}
	return errors.Join(errs...)
}

// A session is one run of the program.
type session struct {
	provider *Provider
	method   string
	stdin    io.WriteCloser
	stdout   io.Reader
	stderr   *tail
	// end interrupts the program.
	end context.CancelFunc
	// ended is closed when the program has ended and its standard error was read. err is then the
	// result of the program.
	ended chan struct{}
	err   error
	// stop releases the resources of the session after its end.
	stop func()
}

// start starts the program in its own process group. Ctrl-C in a terminal interrupts the foreground
// group, so the program would otherwise be interrupted twice. And if the program is killed, the
// programs that it runs must end too; a shell does not end them. Output goes through plain pipes.
// os/exec waits only for the program, and not until those are closed.
func (p *Provider) start(ctx context.Context, method string) (*session, error) {
	ctx, cancel := context.WithCancel(ctx)
	cmd := exec.CommandContext(ctx, p.program)
	ownGroup(cmd)
	cmd.Cancel = func() error { return interrupt(cmd) }
	cmd.WaitDelay = grace(method)
	stdin, err := cmd.StdinPipe() // Wait closes it
	if err != nil {
		cancel()
		return nil, err
	}
	stdout, stdoutEnd, err := os.Pipe()
	if err != nil {
		cancel()
		return nil, err
	}
	defer stdoutEnd.Close()
	stderr, stderrEnd, err := os.Pipe()
	if err != nil {
		cancel()
		return nil, errors.Join(err, stdout.Close())
	}
	defer stderrEnd.Close()
	cmd.Stdout, cmd.Stderr = stdoutEnd, stderrEnd
	if err := cmd.Start(); err != nil {
		cancel()
		return nil, errors.Join(err, stdout.Close(), stderr.Close())
	}
	s := &session{
		provider: p, method: method, stdin: stdin, stdout: &output{file: stdout}, stderr: &tail{limit: stderrLimit},
		end: cancel, ended: make(chan struct{}),
		stop: func() { cancel(); stdout.Close(); stderr.Close() },
	}
	read := make(chan struct{})
	go func() {
		_, _ = io.Copy(s.stderr, &output{file: stderr}) // on an error, what was read is enough
		close(read)
	}()
	go func() {
		s.err = cmd.Wait()
		if ctx.Err() != nil {
			kill(cmd) // the other processes of its group
		}
		// Pipes support deadlines, so these calls do not fail: see output.
		_, _ = stdout.SetReadDeadline(time.Now()), stderr.SetReadDeadline(time.Now())
		<-read
		close(s.ended)
	}()
	return s, nil
}

// feed writes the program's input and, if input is not nil, ends it. It ignores errors: the program
// has ended without reading all input.
func (s *session) feed(line []byte, input io.Reader) {
	if _, err := s.stdin.Write(line); err != nil || input == nil {
		return
	}
	_, _ = io.Copy(s.stdin, input)
	_ = s.stdin.Close()
}

// callerError is an error of the function that receives the replies.
type callerError struct{ cause error }

func (e *callerError) Error() string { return e.cause.Error() }

// errTold is followed by the errors that the program has reported.
var errTold = errors.New("it reported an error")

// read reads replies until their end. An error that the program reports does not end the reading:
// more may follow, and the program has the time to clean up.
func (s *session) read(on func(Reply, io.WriteCloser) error) error {
	limited := &limitedReader{from: s.stdout}
	decoder := json.NewDecoder(limited)
	var told []error
	for {
		var r Reply
		limited.left = replyLimit
		err := decoder.Decode(&r)
		switch {
		case err != nil && len(told) > 0:
			return errors.Join(append([]error{errTold}, told...)...)
		case errors.Is(err, io.EOF):
			return nil
		case errors.Is(err, io.ErrUnexpectedEOF):
			return errors.New("its last reply is incomplete")
		case err != nil:
			return fmt.Errorf("reading its replies: %w", err)
		case r.Error != "" && len(told) < errorLimit:
			if len(told) == 0 {
				defer time.AfterFunc(grace(s.method), s.end).Stop()
			}
			told = append(told, errors.New(oneLine(r.Error)))
		case r.Error == "" && len(told) == 0:
			if err := on(r, s.stdin); err != nil {
				return &callerError{err}
			}
		}
	}
}

// finish waits for the end of the program, and returns the most relevant error, in this order: the
// end of the context, the error of the caller, errors that the program reported, an invalid reply,
// the exit status of the program.
func (s *session) finish(ctx context.Context, readErr error) error {
	defer s.stop()
	if readErr != nil && !errors.Is(readErr, errTold) {
		s.end() // nothing reads its output any longer
	}
	<-s.ended
	caller := (*callerError)(nil)
	switch {
	case ctx.Err() != nil && (s.err != nil || readErr != nil):
		return s.provider.failed(s.method, context.Cause(ctx))
	case errors.As(readErr, &caller):
		return caller.cause
	case errors.Is(readErr, errTold):
		told := readErr.(interface{ Unwrap() []error }).Unwrap()[1:]
		return s.provider.failed(s.method, told...)
	case readErr != nil:
		return s.provider.failed(s.method, readErr)
	case s.err == nil:
		return nil
	}
	if text := strings.TrimSpace(string(s.stderr.data)); text != "" {
		return s.provider.failed(s.method, fmt.Errorf("%w: %s", s.err, text))
	}
	return s.provider.failed(s.method, s.err)
}

// oneLine replaces line breaks in text by spaces, so that errors stay distinguishable in a list.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
