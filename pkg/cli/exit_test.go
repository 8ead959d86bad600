package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
)

func TestFinish(t *testing.T) {
	t.Parallel()
	one, two := errors.New("one"), errors.New("two\nwith a log")
	canceled := fmt.Errorf("asking: %w", context.Canceled)
	for _, tt := range []struct {
		name        string
		err         error
		interrupted bool
		code        Code
		want        string
	}{
		{"nothing", nil, false, OK, ""},
		{"nothing, though late", nil, true, OK, ""},
		{"failed", one, false, Failed, "Error: one\n"},
		{"failed twice", errors.Join(one, two), false, Failed, "Error: one\nError: two\nwith a log\n"},
		{"joined within", fmt.Errorf("both: %w", errors.Join(one, one)), false, Failed, "Error: both: one\none\n"},
		{"wrong", &usageError{err: errors.Join(one, errors.Join(one, two))}, false, Usage, "Error: one\nError: one\nError: two\nwith a log\n"},
		{"silent", silent(7), false, 7, ""},
		{"silent and wrapped", fmt.Errorf("x: %w", silent(7)), true, 7, ""},
		{"interrupted", canceled, true, Interrupted, "Interrupted.\n"},
		{"interrupted, and the rest failed", errors.Join(canceled, one), true, Interrupted, "Error: one\n"},
		{"canceled by something else", canceled, false, Failed, "Error: asking: context canceled\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if tt.interrupted {
				cancel()
			}
			var w bytes.Buffer
			if got := finish(ctx, &w, tt.err); got != tt.code {
				t.Errorf("exit code %d, want %d", got, tt.code)
			}
			if w.String() != tt.want {
				t.Errorf("got %q, want %q", w.String(), tt.want)
			}
		})
	}
}
