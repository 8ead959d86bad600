package provider

import (
	"context"
	"io"
)

// Copies counts what a provider copies to new nodes, for the display of progress. It is safe for
// concurrent use.
type Copies interface {
	// Expect adds a number of bytes that are to be copied.
	Expect(bytes int64)
	// Write counts bytes that are copied. It returns no error.
	io.Writer
}

type copiesKey struct{}

// WithCopies returns a context for Provider.Create and Changer.Add, which then count with c what they
// copy.
func WithCopies(ctx context.Context, c Copies) context.Context {
	return context.WithValue(ctx, copiesKey{}, c)
}

// Counted returns a reader of r, which has a number of bytes. The Copies of the context count what is
// read.
func Counted(ctx context.Context, r io.Reader, bytes int64) io.Reader {
	c, ok := ctx.Value(copiesKey{}).(Copies)
	if !ok {
		return r
	}
	c.Expect(bytes)
	return io.TeeReader(r, c)
}
