//go:build unix

package cli

import (
	"os"
	"os/signal"

	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"github.com/mkube/mkube/pkg/provider"
)

// sizesOf returns a channel with the sizes that a terminal changes to, until stop is called.
func sizesOf(fd int) (sizes <-chan provider.TerminalSize, stop func()) {
	changed := make(chan os.Signal, 1)
	signal.Notify(changed, unix.SIGWINCH)
	to, ended := make(chan provider.TerminalSize), make(chan struct{})
	go func() {
		for {
			select {
			case <-changed:
			case <-ended:
				return
			}
			columns, rows, err := term.GetSize(fd)
			if err != nil {
				continue // the terminal is gone, and the command ends with it
			}
			select {
			case to <- provider.TerminalSize{Columns: columns, Rows: rows}:
			case <-ended:
				return
			}
		}
	}()
	return to, func() {
		signal.Stop(changed)
		close(ended)
	}
}
