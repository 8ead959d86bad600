package cli

import (
	"fmt"
	"os"

	"golang.org/x/term"

	"github.com/mkube/mkube/pkg/provider"
)

// onTerminal runs a command with the user's standard input. If standard input and output are
// terminals, the command gets a terminal, too, and receives every key, including Ctrl-C. If only
// standard input is a terminal, the command gets no input. Another program gets its output then,
// often a pager that reads keys.
func (a app) onTerminal(cmd *provider.Cmd, run func() error) error {
	in, fromTerminal := terminal(a.in)
	out, toTerminal := terminal(a.out)
	switch {
	case !fromTerminal:
		cmd.Stdin = a.in
		return run()
	case !toTerminal:
		return run()
	}
	sizes, stop := sizesOf(out) // first, so that no change of the size is missed
	defer stop()
	columns, rows, err := term.GetSize(out)
	if err != nil {
		return fmt.Errorf("reading the size of the terminal: %w", err)
	}
	before, err := term.MakeRaw(in)
	if err != nil {
		return fmt.Errorf("switching the terminal to raw mode: %w", err)
	}
	defer func() { _ = term.Restore(in, before) }() // there is nothing else to try
	cmd.Stdin, cmd.TTY, cmd.Sizes = a.in, true, sizes
	cmd.Env = append(cmd.Env, "TERM="+a.getenv("TERM"))
	cmd.Args = sized(cmd.Args, columns, rows)
	return run()
}

// sized returns a command that sets the size of its terminal and then runs args.
func sized(args []string, columns, rows int) []string {
	stty := fmt.Sprintf(`stty columns %d rows %d; exec "$@"`, columns, rows)
	return append([]string{"sh", "-c", stty, "sh"}, args...)
}

func terminal(stream any) (fd int, ok bool) {
	f, isFile := stream.(*os.File)
	if !isFile {
		return 0, false
	}
	return int(f.Fd()), term.IsTerminal(int(f.Fd()))
}
