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
	// replyLimit is how long a reply may be, and stderrLimit how much is kept of what a
	// program writes to its standard error: its end.
	replyLimit, stderrLimit = 16 << 20, 4 << 10
	// errorLimit is how many error replies of one call are kept.
	errorLimit = 100
)

// grace is how long an interrupted program may take to end before it is killed. One that
// changes nodes may have to finish a step first.
func grace(method string) time.Duration {
	switch method {
	case "create", "add", "remove", "delete", "stop", "start":
		return 10 * time.Second
	}
	return 2 * time.Second
}

const (
	// lookLimit is how long the program may take to tell something, and changeLimit how long to
	// change nodes: boots of several machines, and the download of their image before that.
	lookLimit, changeLimit = time.Minute, 30 * time.Minute
)

// limit is how long a call may take, 0 for as long as it likes: a command on a node.
func limit(method string) time.Duration {
	switch method {
	case "create", "add", "remove", "delete", "stop", "start":
		return changeLimit
	case "run":
		return 0
	}
	return lookLimit
}

// call runs the program for one request. input follows the request's line, nil for
// nothing; each reply goes to on, whose error ends the program and is returned as it is.
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

// exchange is call where on may write the program's further input itself: without an
// input, the program's is left open.
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

// failed are errors of a call, each with the program and the method.
func (p *Provider) failed(method string, errs ...error) error {
	for i, err := range errs {
		errs[i] = fmt.Errorf("%s: %s: %w", filepath.Base(p.program), method, err)
	}
	if len(errs) == 1 {
		return errs[0]
	}
	return errors.Join(errs...)
}

// session is one run of the program.
type session struct {
	provider *Provider
	method   string
	stdin    io.WriteCloser
	stdout   io.Reader
	stderr   *tail
	// end interrupts the program.
	end context.CancelFunc
	// ended is closed when the program has ended and its output was read; err is then how
	// it ended.
	ended chan struct{}
	err   error
	// stop does what is to be done when the session is over.
	stop func()
}

// start runs the program. It gets a process group of its own: Ctrl-C in a terminal goes to
// the group in the foreground, so that the program would be interrupted twice, and a
// program that is killed must not leave the programs that it runs itself (a shell does not
// end them). The input and output are plain pipes, for which os/exec waits for nobody but
// the program.
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
		_, _ = io.Copy(s.stderr, &output{file: stderr}) // what could be read is kept
		close(read)
	}()
	go func() {
		s.err = cmd.Wait()
		if ctx.Err() != nil {
			kill(cmd) // what is left of its group
		}
		// These are pipes, which have deadlines: see output.
		_, _ = stdout.SetReadDeadline(time.Now()), stderr.SetReadDeadline(time.Now())
		<-read
		close(s.ended)
	}()
	return s, nil
}

// feed writes the program's input, and ends it where there is one. Errors are those of a
// program that ended without reading on.
func (s *session) feed(line []byte, input io.Reader) {
	if _, err := s.stdin.Write(line); err != nil || input == nil {
		return
	}
	_, _ = io.Copy(s.stdin, input)
	_ = s.stdin.Close()
}

// callerError is an error of the one who takes the replies.
type callerError struct{ cause error }

func (e *callerError) Error() string { return e.cause.Error() }

// errTold says that the program reported errors, which follow it.
var errTold = errors.New("it reported an error")

// read takes replies until their end. Errors that the program reports do not end the
// reading: there may be more of them, and the program has time to tidy up.
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

// finish waits for the program's end, and chooses what to report of all that went wrong:
// that the caller gave up, the caller's own error, what the program reported, what it
// replied, how it ended.
func (s *session) finish(ctx context.Context, readErr error) error {
	defer s.stop()
	if readErr != nil && !errors.Is(readErr, errTold) {
		s.end() // nobody reads on
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

// oneLine is text without the line breaks that would make an error hard to tell from the next.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
