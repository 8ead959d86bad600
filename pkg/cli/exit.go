package cli

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

// Code is what mkube exits with. Exec and kubectl exit with the code of the command
// that they ran.
type Code int

const (
	// OK is for what was done, or was so already.
	OK Code = 0
	// Failed is for what was asked for rightly and went wrong.
	Failed Code = 1
	// Usage is for what was asked for wrongly, by flags, arguments or a
	// configuration file. Nothing was touched.
	Usage Code = 2
	// Interrupted is 128 and the number of SIGINT, as shells have it, see
	// https://www.gnu.org/software/bash/manual/html_node/Exit-Status.html.
	Interrupted Code = 130
	// BrokenPipe is 128 and the number of SIGPIPE: what reads standard output has ended.
	BrokenPipe Code = 141
)

// usageError is a mistake in what the user asked for.
type usageError struct {
	err error
	// command is whose help tells more, nil for none.
	command *cobra.Command
}

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

// usagef is a mistake on the command line of a command.
func usagef(cmd *cobra.Command, format string, args ...any) error {
	return &usageError{fmt.Errorf(format, args...), cmd}
}

// silent is the end of a command that has said all there is to say.
type silent Code

func (s silent) Error() string { return fmt.Sprintf("exit code %d", int(s)) }

// finish says what a command's error has to say, and how to exit.
func finish(ctx context.Context, w io.Writer, err error) Code {
	var said silent
	if errors.As(err, &said) {
		return Code(said)
	}
	code := codeOf(ctx, err)
	if say(w, err, code == Interrupted) == 0 && code == Interrupted {
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

// say writes an error, each one of joined ones by itself, and returns how many. To
// one who interrupted it is no news that something was interrupted.
func say(w io.Writer, err error, interrupted bool) int {
	said := 0
	for _, one := range separateErrors(err) {
		if interrupted && errors.Is(one, context.Canceled) {
			continue
		}
		fmt.Fprintf(w, "Error: %v\n", one)
		said++
	}
	var usage *usageError
	if errors.As(err, &usage) && usage.command != nil {
		fmt.Fprintf(w, "See %s --help\n", usage.command.CommandPath())
	}
	return said
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
