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

// stage is where something long is shown: its steps while they go on, then words.
type stage struct {
	renderer progress.Renderer
	recorder progress.Recorder
	getenv   func(string) string
	err      io.Writer
	// json says that a program reads along: then every word is an object too, and
	// what is only for people is left out.
	json bool
}

func progressFlag(cmd *cobra.Command, mode *string) {
	cmd.Flags().StringVar(mode, "progress", "auto", "how to show progress: "+progress.Modes)
	_ = cmd.RegisterFlagCompletionFunc("progress", cobra.FixedCompletions([]string{"auto", "tty", "plain", "json"}, cobra.ShellCompDirectiveNoFileComp))
}

// onStage runs a command on a stage. What it has to say is said when it returns.
func (h host) onStage(cmd *cobra.Command, mode string, run func(context.Context, *stage) error) error {
	r, err := progress.New(mode, h.err, progress.Options{Getenv: h.getenv})
	if err != nil {
		return usagef(cmd, "--progress: %w", err)
	}
	defer func() { _ = r.Close() }() // it said so at each Write
	ctx := cmd.Context()
	s := &stage{renderer: r, getenv: h.getenv, err: h.err, json: mode == "json"}
	s.recorder.Next = func(e progress.Event) {
		if s.json || ctx.Err() == nil {
			r.On(s.brief(e))
		} // else what now fails has only been stopped, as the renderer says at its end
	}
	return s.exit(ctx, run(ctx, s))
}

// brief is an event for people without the log behind an error: they get to read
// that at the end, with the error.
func (s *stage) brief(e progress.Event) progress.Event {
	if e.State == progress.Failed && !s.json {
		e.Detail, _, _ = strings.Cut(e.Detail, "\n")
	}
	return e
}

// words is where words go from now on: no more steps are shown.
func (s *stage) words() io.Writer {
	if s.json {
		return s.renderer
	}
	_ = s.renderer.Close()
	return s.err
}

// warn shows a line beside the steps.
func (s *stage) warn(line string) {
	fmt.Fprintln(s.renderer, "Warning: "+line)
}

// people is words for people only.
func (s *stage) people() io.Writer {
	if s.json {
		return io.Discard
	}
	return s.words()
}

// exit says what an error has to say, and gives how to exit.
func (s *stage) exit(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	return silent(finish(ctx, s.words(), err))
}

// table shows where the time went.
func (s *stage) table() {
	fmt.Fprintln(s.people())
	// The words that follow would fail in the same way.
	_ = progress.Table(s.people(), s.recorder.Events(), progress.Options{Getenv: s.getenv})
}

// began reports whether there was any step, and got whether one was done.
func (s *stage) began() bool { return len(s.recorder.Events()) > 0 }

func (s *stage) got() bool {
	return slices.ContainsFunc(s.recorder.Events(), func(e progress.Event) bool { return e.State == progress.Done })
}

// traced makes a provider tell every command that it runs.
func (s *stage) traced(p provider.Provider) provider.Provider {
	return provider.Trace(p, s.renderer)
}
