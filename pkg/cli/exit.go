package cli

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

// Code is the exit code of mkube. exec and kubectl exit with the exit code of the command that
// they ran.
type Code int

const (
	// OK means success, also if there was nothing to do.
	OK Code = 0
	// Failed means that a valid request failed.
	Failed Code = 1
	// Usage means a mistake in flags, arguments or the configuration file. Nothing was changed.
	Usage Code = 2
	// Interrupted is 128 plus the number of SIGINT, as in shells, see
	// https://www.gnu.org/software/bash/manual/html_node/Exit-Status.html.
	Interrupted Code = 130
	// BrokenPipe is 128 plus the number of SIGPIPE: the reader of standard output has ended.
	BrokenPipe Code = 141
)

// usageError is a mistake in the user's request.
type usageError struct {
	err error
	// command is the command to whose help the message refers. If nil, the message refers to none.
	command *cobra.Command
}

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

// usagef returns an error about the command line of a command.
func usagef(cmd *cobra.Command, format string, args ...any) error {
	return &usageError{fmt.Errorf(format, args...), cmd}
}

// silent is the error of a command that has already printed its messages.
type silent Code

func (s silent) Error() string { return fmt.Sprintf("exit code %d", int(s)) }

// finish prints the error of a command, and returns the exit code.
func finish(ctx context.Context, w io.Writer, err error) Code {
	var quiet silent
	if errors.As(err, &quiet) {
		return Code(quiet)
	}
	code := codeOf(ctx, err)
	if printErrors(w, err, code == Interrupted) == 0 && code == Interrupted {
		fmt.Fprintln(w, "Interrupted.")
	}
	return code
}

func codeOf(ctx context.Context, err error) Code {
	var usage *usageError
	switch {
	case err == nil:
		return OK
	case ctx.Err() != nil:
		return Interrupted
	case errors.As(err, &usage):
		return Usage
	}
	return Failed
}

// printErrors prints an error, each joined error on its own line, and returns the number of lines. After
// an interrupt, it omits the errors about the interrupt.
func printErrors(w io.Writer, err error, interrupted bool) int {
	lines := 0
	for _, one := range separateErrors(err) {
		if interrupted && errors.Is(one, context.Canceled) {
			continue
		}
		fmt.Fprintf(w, "Error: %v\n", one)
		lines++
	}
	var usage *usageError
	if errors.As(err, &usage) && usage.command != nil {
		fmt.Fprintf(w, "See %s --help\n", usage.command.CommandPath())
	}
	return lines
}

// separateErrors returns the errors that err joins, or err alone.
func separateErrors(err error) []error {
	if usage := (*usageError)(nil); errors.As(err, &usage) {
		err = usage.err
	}
	if err == nil {
		return nil
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var list []error
	for _, one := range joined.Unwrap() {
		list = append(list, separateErrors(one)...)
	}
	return list
}
