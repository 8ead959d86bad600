//go:build unix

package cli

import (
	"context"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// readerCheck is the time, in milliseconds, after which a poll of the output returns to check
// whether the context has ended.
const readerCheck = 200

// whileRead returns a context that also ends if out is a pipe or socket that nobody reads any
// more. The cause is then errNoReader. A program notices a missing reader only when it writes, and
// a program that follows a log may not write for hours.
func whileRead(ctx context.Context, out io.Writer) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := func() { cancel(nil) }
	f, ok := out.(*os.File)
	if !ok {
		return ctx, stop
	}
	if info, err := f.Stat(); err != nil || info.Mode()&(fs.ModeNamedPipe|fs.ModeSocket) == 0 {
		return ctx, stop
	}
	go func() {
		for ctx.Err() == nil {
			poll := []unix.PollFd{{Fd: int32(f.Fd())}} // POLLERR is always reported, so Events can be empty
			n, err := unix.Poll(poll, readerCheck)
			if err == nil && n > 0 && poll[0].Revents&(unix.POLLERR|unix.POLLHUP) != 0 {
				cancel(errNoReader)
			}
		}
	}()
	return ctx, stop
}
