//go:build !unix

package cli

import (
	"context"
	"io"
)

func whileRead(ctx context.Context, _ io.Writer) (context.Context, context.CancelFunc) {
	return context.WithCancel(ctx)
}
