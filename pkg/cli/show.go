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

// console shows a long command: its steps while it runs, then its messages.
type console struct {
	renderer progress.Renderer
	recorder progress.Recorder
	getenv   func(string) string
	err      io.Writer
	// json says that a program reads along: then every word is an object too, and
	// what is only for people is left out.
	json bool
}

func progressFlag(cmd *cobra.Command, mode *string) {
	cmd.Flags().StringVar(mode, "progress", "auto", "progress display: "+progress.Modes)
	_ = cmd.RegisterFlagCompletionFunc("progress", cobra.FixedCompletions([]string{"auto", "tty", "plain", "json"}, cobra.ShellCompDirectiveNoFileComp))
}

// onConsole runs a command with a console, and prints the error of the command when it returns.
func (h host) onConsole(cmd *cobra.Command, mode string, run func(context.Context, *console) error) error {
	r, err := progress.New(mode, h.err, progress.Options{Getenv: h.getenv})
	if err != nil {
		return usagef(cmd, "--progress: %w", err)
	}
	defer func() { _ = r.Close() }() // it said so at each Write
	ctx := cmd.Context()
	s := &console{renderer: r, getenv: h.getenv, err: h.err, json: mode == "json"}
	s.recorder.Next = func(e progress.Event) {
		if s.json || ctx.Err() == nil {
			r.On(s.brief(e))
		} // else what now fails has only been stopped, as the renderer says at its end
	}
	return s.exit(ctx, run(ctx, s))
}

// brief is an event for people without the log behind an error: they get to read
// that at the end, with the error.
func (s *console) brief(e progress.Event) progress.Event {
	if e.State == progress.Failed && !s.json {
		e.Detail, _, _ = strings.Cut(e.Detail, "\n")
	}
	return e
}

// words is where words go from now on: no more steps are shown.
func (s *console) words() io.Writer {
	if s.json {
		return s.renderer
	}
	_ = s.renderer.Close()
	return s.err
}

// warn shows a line beside the steps.
func (s *console) warn(line string) {
	fmt.Fprintln(s.renderer, "Warning: "+line)
}

// people is words for people only.
func (s *console) people() io.Writer {
	if s.json {
		return io.Discard
	}
	return s.words()
}

// exit says what an error has to say, and gives how to exit.
func (s *console) exit(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	return silent(finish(ctx, s.words(), err))
}

// table shows where the time went.
func (s *console) table() {
	fmt.Fprintln(s.people())
	// The words that follow would fail in the same way.
	_ = progress.Table(s.people(), s.recorder.Events(), progress.Options{Getenv: s.getenv})
}

// began reports whether there was any step, and got whether one was done.
func (s *console) began() bool { return len(s.recorder.Events()) > 0 }

func (s *console) got() bool {
	return slices.ContainsFunc(s.recorder.Events(), func(e progress.Event) bool { return e.State == progress.Done })
}

// traced makes a provider tell every command that it runs.
func (s *console) traced(p provider.Provider) provider.Provider {
	return provider.Trace(p, s.renderer)
}
