//go:build !unix

package cli

import (
	"context"
	"io"
)

// whileRead returns a context that ends with ctx. Only on Unix does mkube notice that a pipe has
// lost its reader.
func whileRead(ctx context.Context, _ io.Writer) (context.Context, context.CancelFunc) {
	return context.WithCancel(ctx)
}
