package tour

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// A Shell runs a script and returns its output, standard output and error together,
// and its exit code. An error is that it could not be run.
type Shell func(ctx context.Context, script string) (output string, code int, err error)

// A Result is what a command did.
type Result struct {
	Output string
	Code   int
	// Wrong says what is not as the story has it, "" for nothing.
	Wrong string
}

const (
	// patience is how long a command is run again until it shows what it must.
	patience = 90 * time.Second
	// again is the time between two runs.
	again = 500 * time.Millisecond
)

// Play runs a command, one that watches again and again until it shows what it must;
// on is given each result, and may be nil. An error is that it could not be run, or that the
// context has ended.
func (c *Command) Play(ctx context.Context, sh Shell, on func(Result)) (Result, error) {
	end := time.Now().Add(patience)
	for {
		output, code, err := sh(ctx, c.Script)
		if err != nil {
			return Result{}, err
		}
		r := Result{Output: output, Code: code, Wrong: c.wrong(output, code)}
		if on != nil {
			on(r)
		}
		if r.Wrong == "" || !c.Watch || time.Now().After(end) {
			return r, ctx.Err()
		}
		select {
		case <-ctx.Done():
			return r, context.Cause(ctx)
		case <-time.After(again):
		}
	}
}

// wrong says what is not as it must be.
func (c *Command) wrong(output string, code int) string {
	switch {
	case c.Fails && code == 0:
		return "it must fail, but it succeeded"
	case !c.Fails && code != 0:
		return fmt.Sprintf("it failed with exit code %d", code)
	}
	for _, re := range c.Wants {
		if !re.MatchString(output) {
			return fmt.Sprintf("its output does not match %q", pattern(re.String()))
		}
	}
	for _, re := range c.Bars {
		if re.MatchString(output) {
			return fmt.Sprintf("its output must not match %q, but does", pattern(re.String()))
		}
	}
	return ""
}

func pattern(re string) string { return strings.TrimPrefix(re, "(?m)") }
