package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/alessio/shellescape"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/mkube/mkube/pkg/learn/tour"
	"github.com/mkube/mkube/pkg/state"
)

// tourOptions are the flags of tour.
type tourOptions struct {
	providerOptions
	ignoreOptions
	cluster, record                     string
	nonInteractive, list, colour, plain bool
}

// tourNote is the name of the cluster's note with the place of its tour.
const tourNote = "tour"

// tourCluster is the default cluster of a tour. It is separate from the user's other clusters.
const tourCluster = "tour"

func (a app) tourCommand() *cobra.Command {
	var o tourOptions
	cmd := &cobra.Command{
		Use:   "tour",
		Short: "Walk through a Kubernetes control plane, one component at a time",
		Long: `Build a cluster step by step, from a container runtime alone up to a Deployment
whose Service answers at its DNS name. Each step explains what comes next and
why, shows a command (press Enter to run it) and its output, and checks the
result. You can type commands of your own at any time.

You can leave the tour at any time, and continue it later with mkube tour. The
cluster is called "tour"; mkube delete cluster --name tour ends the tour for
good. The flags for nodes, such as --provider, apply only when the tour begins.`,
		Example: `  mkube tour
  mkube tour --provider vagrant
  mkube tour --non-interactive
  mkube tour --list`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.tour(cmd.Context(), o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.cluster, "name", tourCluster, "name of the cluster")
	a.providerFlags(cmd, &o.providerOptions)
	ignoreFlag(cmd, &o.ignoreOptions)
	f.BoolVar(&o.nonInteractive, "non-interactive", false, "run every command without asking, and stop at the first wrong result")
	f.BoolVar(&o.list, "list", false, "list the steps")
	f.BoolVar(&o.plain, "no-color", false, "disable colors, which $NO_COLOR also does")
	f.StringVar(&o.record, "record", "", "write what the commands print into a file, as JSON")
	_ = f.MarkHidden("record") // only the build of docs/walkthrough.md uses it
	return cmd
}

// A tourSession is one run of the tour.
type tourSession struct {
	app
	o     tourOptions
	steps []tour.Step
	sh    liveShell
	// in is the user's input. If nil, the tour runs without questions.
	in *bufio.Reader
	// columns is the width of the text. rows is the height of the screen, or 0 if the output is
	// not a terminal.
	columns, rows int
	recorded      map[string][]string
}

// errLeft is the error of a tour that the user leaves.
var errLeft = errors.New("left")

func (a app) tour(ctx context.Context, o tourOptions) error {
	steps, err := tour.Steps()
	if err != nil {
		return err
	}
	if o.list {
		for i, s := range steps {
			fmt.Fprintf(a.out, "%2d  %-14s %s\n", i+1, s.Name, s.Title)
		}
		return nil
	}
	if err := o.check(); err != nil {
		return &usageError{err: err}
	}
	if _, err := o.ignored(); err != nil {
		return err
	}
	if _, err := a.chosen(o.providerOptions); err != nil {
		return err
	}
	sh, done, err := a.tourShell(o.cluster)
	if err != nil {
		return err
	}
	defer done()
	// If the output is not a terminal, the text is as wide as on one with 80 columns, see screen.
	t := &tourSession{app: a, o: o, steps: madeOf(steps, o.flags()), sh: sh, columns: 78, recorded: map[string][]string{}}
	t.screen()
	if !o.nonInteractive {
		t.in = bufio.NewReader(a.in)
	}
	at, err := t.resume(ctx)
	if err != nil {
		return err
	}
	if at != (place{}) && len(o.providerOptions.args()) > 0 {
		t.printLine("The tour continues with its existing nodes. To start over: mkube delete cluster --name %s", o.cluster)
	}
	switch err := t.walk(ctx, at); {
	case errors.Is(err, errLeft) || ctx.Err() != nil:
		t.printLine("\nTo continue from here: mkube tour%s. To end the tour for good: mkube delete cluster --name %s", t.named(), o.cluster)
		return ctx.Err()
	case err != nil:
		return err
	}
	return t.keep()
}

// flags returns the flags for the command that creates the cluster.
func (o tourOptions) flags() []string {
	return append(o.providerOptions.args(), o.ignoreOptions.args()...)
}

// creates is the prefix of the command of the tour that creates the cluster.
const creates = "mkube create cluster "

// madeOf adds flags to the command that creates the cluster, and returns the steps.
func madeOf(steps []tour.Step, flags []string) []tour.Step {
	if len(flags) == 0 {
		return steps
	}
	for _, s := range steps {
		for _, b := range s.Blocks {
			if b.Command != nil && strings.HasPrefix(b.Command.Script, creates) {
				b.Command.Script += " " + shellescape.QuoteCommand(flags)
			}
		}
	}
	return steps
}

// screen reads the size of the terminal, and decides whether to use colors.
func (t *tourSession) screen() {
	fd, ok := terminal(t.out)
	if !ok {
		return
	}
	if columns, rows, err := term.GetSize(fd); err == nil {
		t.columns, t.rows = min(columns-2, 96), rows
	}
	t.o.colour = !t.o.plain && t.getenv("NO_COLOR") == "" && t.getenv("TERM") != "dumb"
}

func (t *tourSession) named() string {
	if t.o.cluster == tourCluster {
		return ""
	}
	return " --name " + t.o.cluster
}

// say prints a line of the tour to standard output, because the text is the result of the command.
func (t *tourSession) printLine(format string, args ...any) {
	fmt.Fprintf(t.out, format+"\n", args...)
}

// walk runs the steps of the tour from a place on.
func (t *tourSession) walk(ctx context.Context, at place) error {
	for i := at.Step; i < len(t.steps); i++ {
		s := t.steps[i]
		t.printLine("\n%s", t.style(bold, fmt.Sprintf("%d of %d  %s", i+1, len(t.steps), s.Title)))
		if err := t.step(ctx, s, place{i, at.Command}); err != nil {
			return err
		}
		at.Command = 0
		if i+1 == len(t.steps) {
			break
		}
		if t.in != nil {
			if err := t.pause(ctx, fmt.Sprintf("\nNext: %s. Enter goes on, q leaves: ", t.steps[i+1].Title)); err != nil {
				return err
			}
		}
	}
	t.printLine("\n%s", t.style(green, "This is the end of the tour."))
	return nil
}

// step runs the blocks of a step from a command on.
func (t *tourSession) step(ctx context.Context, s tour.Step, at place) error {
	n := 0
	for _, b := range s.Blocks {
		if b.Command == nil {
			if n >= at.Command {
				t.printLine("\n%s", wrap(b.Text, t.columns))
			}
			continue
		}
		if n++; n <= at.Command {
			continue
		}
		if err := t.command(ctx, s, b.Command); err != nil {
			return err
		}
		if err := t.remember(ctx, place{at.Step, n}); err != nil {
			return err
		}
	}
	return t.remember(ctx, place{at.Step + 1, 0})
}

// keep writes the recorded output to the file of --record.
func (t *tourSession) keep() error {
	if t.o.record == "" {
		return nil
	}
	data, err := json.MarshalIndent(t.recorded, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(t.o.record, append(data, '\n'), 0o644)
}

// wrap breaks a paragraph into lines of at most width bytes, if its words allow it.
func wrap(text string, width int) string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && len(line)+1+len(word) > width {
			lines, line = append(lines, line), ""
		}
		line = strings.TrimPrefix(line+" "+word, " ")
	}
	return strings.Join(append(lines, line), "\n")
}

// place is a place in a tour: before a command of a step. Both numbers start at 0.
type place struct{ Step, Command int }

// resume returns the place where the tour was left. If the cluster does not exist, that is the
// beginning.
func (t *tourSession) resume(ctx context.Context) (place, error) {
	p, err := t.provider()
	if err != nil {
		return place{}, err
	}
	at, err := state.Note(ctx, p, t.o.cluster, tourNote)
	if missing := (*state.NotFoundError)(nil); errors.As(err, &missing) {
		return place{}, nil
	}
	if err != nil {
		return place{}, err
	}
	var here place
	if _, err := fmt.Sscanf(at, "%d %d", &here.Step, &here.Command); err != nil {
		return place{}, fmt.Errorf("cluster %q does not belong to a tour: choose another name with --name", t.o.cluster)
	}
	if here.Step >= len(t.steps) {
		return place{}, fmt.Errorf("the tour of cluster %q is complete: to start over, delete the cluster with mkube delete cluster --name %[1]s", t.o.cluster)
	}
	return here, nil
}

// remember writes a place to the cluster, if the cluster exists already.
func (t *tourSession) remember(ctx context.Context, at place) error {
	p, err := t.provider()
	if err != nil {
		return err
	}
	return state.SetNote(ctx, p, t.o.cluster, tourNote, fmt.Sprintf("%d %d", at.Step, at.Command))
}
