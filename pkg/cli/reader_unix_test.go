//go:build unix

package cli

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"
)

func TestWhileRead(t *testing.T) {
	t.Parallel()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	ctx, cancel := whileRead(t.Context(), w)
	defer cancel()
	select {
	case <-ctx.Done():
		t.Fatal("the context of a pipe that is read has ended")
	case <-time.After(3 * readerCheck * time.Millisecond):
	}
	r.Close()
	select {
	case <-ctx.Done():
	case <-time.After(10 * time.Second):
		t.Fatal("the context has not ended 10 s after the pipe's reader")
	}
	if err := context.Cause(ctx); !errors.Is(err, errNoReader) {
		t.Errorf("it ended because of %v", err)
	}
}
