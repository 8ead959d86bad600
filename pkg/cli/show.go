package cli

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mkube/mkube/pkg/progress"
	"github.com/mkube/mkube/pkg/provider"
)

// console shows the progress of a long command, and then its messages.
type console struct {
	renderer progress.Renderer
	recorder progress.Recorder
	getenv   func(string) string
	err      io.Writer
	// json is set if a program reads the output. Then every message is a JSON object, too, and
	// messages that are only for people are omitted.
	json bool
}

func progressFlag(cmd *cobra.Command, mode *string) {
	cmd.Flags().StringVar(mode, "progress", "auto", "progress display: "+progress.Modes)
	// This fails only for an unknown flag or a second registration.
	_ = cmd.RegisterFlagCompletionFunc("progress", cobra.FixedCompletions([]string{"auto", "tty", "plain", "json"}, cobra.ShellCompDirectiveNoFileComp))
}

// onConsole runs a command with a console, and prints the error of the command when it returns.
func (a app) onConsole(cmd *cobra.Command, mode string, run func(context.Context, *console) error) error {
	r, err := progress.New(mode, a.err, progress.Options{Getenv: a.getenv})
	if err != nil {
		return usagef(cmd, "--progress: %w", err)
	}
	defer func() { _ = r.Close() }() // each Write has already reported the error
	ctx := cmd.Context()
	s := &console{renderer: r, getenv: a.getenv, err: a.err, json: mode == "json"}
	s.recorder.Next = func(e progress.Event) {
		if s.json || ctx.Err() == nil {
			r.On(s.brief(e))
		} // otherwise the failure is due to the interrupt, which the renderer reports at its end
	}
	return s.exit(ctx, run(ctx, s))
}

// brief returns an event without the log in its error, unless the output is JSON. The log follows
// at the end, with the error.
func (s *console) brief(e progress.Event) progress.Event {
	if e.State == progress.Failed && !s.json {
		e.Detail, _, _ = strings.Cut(e.Detail, "\n")
	}
	return e
}

// words ends the display of steps, and returns the writer for messages.
func (s *console) words() io.Writer {
	if s.json {
		return s.renderer
	}
	// Each Write has already reported the error of Close.
	_ = s.renderer.Close()
	return s.err
}

// warn prints a line next to the steps.
func (s *console) warn(line string) {
	fmt.Fprintln(s.renderer, "Warning: "+line)
}

// note prints a line for people, next to the steps.
func (s *console) note(line string) {
	if !s.json {
		fmt.Fprintln(s.renderer, line)
	}
}

// people returns the writer for messages that are only for people.
func (s *console) people() io.Writer {
	if s.json {
		return io.Discard
	}
	return s.words()
}

// exit prints an error, and returns the exit code as an error.
func (s *console) exit(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	return silent(finish(ctx, s.words(), err))
}

// table prints how long each step took.
func (s *console) table() {
	fmt.Fprintln(s.people())
	// If it fails, the messages that follow fail in the same way.
	_ = progress.Table(s.people(), s.recorder.Events(), progress.Options{Getenv: s.getenv})
}

// began reports whether any step began, and got whether any step was done.
func (s *console) began() bool { return len(s.recorder.Events()) > 0 }

func (s *console) got() bool {
	return slices.ContainsFunc(s.recorder.Events(), func(e progress.Event) bool { return e.State == progress.Done })
}

// traced returns a provider that prints every command that it runs on a node.
func (s *console) traced(p provider.Provider) provider.Provider {
	return provider.Trace(p, s.renderer)
}
