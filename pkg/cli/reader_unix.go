//go:build unix

package cli

import (
	"context"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// readerCheck is how often, in milliseconds, an output is looked at whose other end may
// have been closed.
const readerCheck = 200

// whileRead is a context that also ends, because of errNoReader, when out is a pipe that
// nobody reads any longer. A program learns that only when it writes; one that follows a
// log may have nothing to write for hours.
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
			poll := []unix.PollFd{{Fd: int32(f.Fd())}} // an error is reported without being asked for
			n, err := unix.Poll(poll, readerCheck)
			if err == nil && n > 0 && poll[0].Revents&(unix.POLLERR|unix.POLLHUP) != 0 {
				cancel(errNoReader)
			}
		}
	}()
	return ctx, stop
}
