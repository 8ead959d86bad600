package tour

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// A Shell runs a script. It returns the output, which is standard output and standard error
// together, and the exit code. It returns an error if it could not run the script.
type Shell func(ctx context.Context, script string) (output string, code int, err error)

// A Result is the result of a command.
type Result struct {
	Output string
	Code   int
	// Wrong describes the difference from what the command must do, "" if there is none.
	Wrong string
}

const (
	// patience is the maximum time for which a command is repeated until its output is as
	// expected.
	patience = 90 * time.Second
	// again is the time between two runs.
	again = 500 * time.Millisecond
)

// Play runs a command. If the command watches, Play repeats it until its output is as expected,
// for at most patience. It calls on with each result; on may be nil. It returns an error if the
// command could not be run, or if the context has ended.
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

// wrong returns the difference from what the command must do, or "".
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
