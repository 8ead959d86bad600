package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/mkube/mkube/pkg/learn/tour"
)

// Parameters of the sequence SGR of terminals, see ECMA-48.
const (
	bold  = "1"
	dim   = "2"
	red   = "31"
	green = "32"
)

func (t *tourSession) style(code, text string) string {
	if !t.o.colour {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// command shows a command, runs it, and reports whether the result is as expected. If it is not,
// the user can run the command again; without a user, this is an error.
func (t *tourSession) command(ctx context.Context, s tour.Step, c *tour.Command) error {
	t.printLine("\n%s\n", t.style(bold, "  $ "+strings.ReplaceAll(c.Script, "\n", "\n  > ")))
	for {
		if skip, err := t.ask(ctx, c); skip || err != nil {
			return err
		}
		result, err := t.play(ctx, c)
		if err != nil {
			return err
		}
		if result.Wrong == "" {
			t.printLine("%s", t.style(green, "  ✓ as expected"))
			t.recorded[s.Name] = append(t.recorded[s.Name], result.Output)
			return nil
		}
		t.printLine("%s", t.style(red, "  ✗ "+result.Wrong))
		if t.in == nil {
			return fmt.Errorf("step %s: %s: %s", s.Name, c.Script, result.Wrong)
		}
	}
}

// ask waits until the user confirms or skips a command. In the meantime, it runs other commands
// that the user types.
func (t *tourSession) ask(ctx context.Context, c *tour.Command) (skip bool, err error) {
	for t.in != nil {
		fmt.Fprint(t.out, t.style(dim, "  Enter runs it, s skips it, q quits; or type a command of your own: "))
		line, err := t.line(ctx)
		switch line = strings.TrimSpace(line); {
		case err != nil:
			return false, err
		case line == "", line == c.Script:
			return false, nil
		case line == "s":
			return true, nil
		case line == "q":
			return false, errLeft
		}
		live := &indenter{w: t.out}
		_, code, err := t.sh(ctx, line, live)
		live.end()
		if err != nil {
			return false, err
		}
		if code != 0 {
			t.printLine("  (exit code %d)", code)
		}
	}
	return false, nil
}

// pause waits for Enter.
func (t *tourSession) pause(ctx context.Context, prompt string) error {
	fmt.Fprint(t.out, t.style(dim, prompt))
	line, err := t.line(ctx)
	if err == nil && strings.TrimSpace(line) == "q" {
		err = errLeft
	}
	return err
}

// typed is a line that the user has typed, or an error.
type typed struct {
	line string
	err  error
}

// line waits for a line of input. The end of the input and Ctrl-C leave the tour. Ctrl-C does not
// stop the read, which continues until the program ends.
func (t *tourSession) line(ctx context.Context) (string, error) {
	lines := make(chan typed, 1)
	go func() {
		line, err := t.in.ReadString('\n')
		lines <- typed{line, err}
	}()
	select {
	case <-ctx.Done():
		t.printLine("")
		return "", errLeft
	case got := <-lines:
		if errors.Is(got.err, io.EOF) {
			t.printLine("")
			return "", errLeft
		}
		return got.line, got.err
	}
}

// play runs a command. Its output appears as it arrives. The output of a command that watches is
// updated in place while it changes, if the output is a terminal.
func (t *tourSession) play(ctx context.Context, c *tour.Command) (tour.Result, error) {
	if !c.Watch {
		live := &indenter{w: t.out}
		defer live.end()
		return c.Play(ctx, func(ctx context.Context, script string) (string, int, error) { return t.sh(ctx, script, live) }, nil)
	}
	shown := ""
	quiet := func(ctx context.Context, script string) (string, int, error) { return t.sh(ctx, script, io.Discard) }
	result, err := c.Play(ctx, quiet, func(r tour.Result) {
		if t.rows == 0 || r.Output == shown {
			return
		}
		fmt.Fprint(t.out, t.over(shown)+t.fit(r.Output))
		shown = r.Output
	})
	if err == nil && shown == "" {
		fmt.Fprint(t.out, indent(result.Output))
	}
	return result, err
}

// over returns the control sequence that moves the cursor to the beginning of a text on the
// screen, and clears the screen from there.
func (t *tourSession) over(text string) string {
	if text == "" {
		return ""
	}
	return fmt.Sprintf("\x1b[%dA\x1b[J", strings.Count(t.fit(text), "\n"))
}

// fit cuts a text to the size of the screen.
func (t *tourSession) fit(text string) string {
	lines := strings.SplitAfter(indent(text), "\n")
	if most := t.rows - 4; len(lines) > most {
		lines = append(lines[:most-1], "  ...\n")
	}
	for i, line := range lines {
		if runes := []rune(line); len(runes) > t.columns {
			lines[i] = string(runes[:t.columns-1]) + "…\n"
		}
	}
	return strings.Join(lines, "")
}

// indent indents the output of a command.
func indent(output string) string {
	var b strings.Builder
	i := &indenter{w: &b}
	fmt.Fprint(i, strings.TrimRight(output, "\n"))
	i.end()
	return b.String()
}

// indenter is a writer that indents output that arrives in pieces.
type indenter struct {
	w    io.Writer
	open bool // set if the last line is not complete
}

func (i *indenter) Write(p []byte) (int, error) {
	for line := range bytes.Lines(p) {
		if !i.open {
			if _, err := io.WriteString(i.w, "  "); err != nil {
				return 0, err
			}
		}
		i.open = line[len(line)-1] != '\n'
		if _, err := i.w.Write(line); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

// end completes the last line.
func (i *indenter) end() {
	if i.open {
		fmt.Fprintln(i.w)
	}
}

// A liveShell is a tour.Shell that also writes the output to live, as it arrives.
type liveShell func(ctx context.Context, script string, live io.Writer) (output string, code int, err error)

// tourShell returns a shell for the commands of the tour. In it, mkube is this program, and its
// default cluster is that of the tour. The caller must call done.
func (a app) tourShell(cluster string) (sh liveShell, done func(), err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, nil, err
	}
	dir, err := os.MkdirTemp("", "mkube-tour-")
	if err != nil {
		return nil, nil, err
	}
	done = func() { _ = os.RemoveAll(dir) } // dir contains only a link, and is a temporary folder
	if err := os.Symlink(self, filepath.Join(dir, "mkube")); err != nil {
		done()
		return nil, nil, err
	}
	env := append(os.Environ(), nameVariable+"="+cluster, "PATH="+dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	return func(ctx context.Context, script string, live io.Writer) (string, int, error) {
		var output bytes.Buffer
		cmd := exec.CommandContext(ctx, "sh", "-c", script)
		both := io.MultiWriter(&output, live)
		cmd.Env, cmd.Stdout, cmd.Stderr = env, both, both                     // with the same writer for both, exec creates only one pipe
		cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // the time to clean up after the interrupt; after that, the program is killed
		cmd.WaitDelay = 20 * time.Second
		err := cmd.Run()
		if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && ctx.Err() == nil {
			return output.String(), exit.ExitCode(), nil
		}
		return output.String(), 0, err
	}, done, nil
}
