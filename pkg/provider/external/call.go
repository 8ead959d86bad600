package external

import (
	"bytes"
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

// patience is how long an interrupted program may take to end.
const patience = 10 * time.Second

// call runs the program for one request. input follows the request's line, nil for
// nothing; each reply goes to on, whose error ends the program and is returned as it is.
func (p *Provider) call(ctx context.Context, r Request, input io.Reader, on func(Reply) error) error {
	line, err := json.Marshal(r)
	if err == nil {
		err = p.talk(ctx, r.Method, append(line, '\n'), input, on)
	}
	if stop := (*stopError)(nil); errors.As(err, &stop) {
		return stop.cause
	}
	if err != nil {
		return fmt.Errorf("%s: %s: %w", filepath.Base(p.program), r.Method, err)
	}
	return nil
}

// talk runs the program between its first line of input and its end.
func (p *Provider) talk(ctx context.Context, method string, line []byte, input io.Reader, on func(Reply) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, p.program)
	cmd.Stderr = &stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = patience
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if method == "run" {
		// A command that is cancelled is not waited for, nor what it has started.
		cmd.WaitDelay = time.Second
		defer context.AfterFunc(ctx, func() { _ = stdout.Close() })()
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	go feed(stdin, line, input)
	readErr := read(stdout, on)
	over := ctx.Err()
	if readErr != nil {
		cancel()
	}
	waitErr := cmd.Wait()
	switch {
	case over != nil:
		return over
	case readErr != nil || waitErr == nil:
		return readErr
	}
	if text := strings.TrimSpace(stderr.String()); text != "" {
		return fmt.Errorf("%w: %s", waitErr, text)
	}
	return waitErr
}

// stopError is an error of the one who reads the replies.
type stopError struct{ cause error }

func (e *stopError) Error() string { return e.cause.Error() }

// feed writes a program's input and ends it. Errors are those of a program that ended
// without reading on.
func feed(w io.WriteCloser, line []byte, input io.Reader) {
	defer w.Close()
	if _, err := w.Write(line); err == nil && input != nil {
		_, _ = io.Copy(w, input)
	}
}

// read takes replies until their end, or the first that tells of an error.
func read(from io.Reader, on func(Reply) error) error {
	decoder := json.NewDecoder(from)
	for {
		var r Reply
		if err := decoder.Decode(&r); err == io.EOF {
			return nil
		} else if err != nil {
			return fmt.Errorf("reading its replies: %w", err)
		}
		if r.Error != "" {
			return errors.New(r.Error)
		}
		if on == nil {
			continue
		}
		if err := on(r); err != nil {
			return &stopError{err}
		}
	}
}
