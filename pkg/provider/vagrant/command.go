package vagrant

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// output is where the vagrant command's streams go.
type output struct{ stdout, stderr io.Writer }

// patience is how long an interrupted vagrant may take to clean up.
const patience = 40 * time.Second

// runVagrant runs vagrant in a folder. When ctx ends vagrant is interrupted, and waited
// for: it puts down what it holds.
func runVagrant(ctx context.Context, dir string, w output, args ...string) error {
	cmd := exec.CommandContext(ctx, "vagrant", args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, w.stdout, w.stderr
	cmd.Env = append(os.Environ(), "VAGRANT_CHECKPOINT_DISABLE=1")
	// The terminal's Ctrl-C must not reach vagrant beside ours: it takes a second one as
	// an order to leave everything where it is.
	ownGroup(cmd)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = patience
	return cmd.Run()
}

// vagrant runs a command that changes machines of a cluster. Everything that it says is
// kept in the cluster's folder.
func (p *Provider) vagrant(ctx context.Context, cluster string, args ...string) error {
	dir := p.folder(cluster)
	log, err := os.OpenFile(filepath.Join(dir, logFile), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	reader, writer := io.Pipe()
	var said report
	read := make(chan struct{})
	go func() {
		defer close(read)
		said.read(reader, log)
	}()
	var stderr bytes.Buffer
	err = p.run(ctx, dir, output{writer, io.MultiWriter(&stderr, log)}, append([]string{"--machine-readable", "--no-color"}, args...)...)
	_ = writer.Close()
	<-read
	return explain(ctx, err, args[0], said.problem, stderr.String())
}

// explain makes an error of the vagrant command one that says what vagrant did.
func explain(ctx context.Context, err error, verb, problem, stderr string) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("running vagrant %s: %w", verb, ctx.Err())
	case errors.Is(err, exec.ErrNotFound):
		return errors.New("vagrant is not installed: see https://developer.hashicorp.com/vagrant/install")
	}
	if problem == "" {
		problem = rubyMessage(stderr)
	}
	if problem == "" {
		problem = err.Error()
	}
	return fmt.Errorf("vagrant %s: %s", verb, problem)
}

// raised begins what Ruby says of an error that nobody handled: where it was raised.
var raised = regexp.MustCompile("^\\S+\\.rb:\\d+:in [`'][^']*': ")

// rubyMessage is what was said without the path of calls, of a hundred lines, that Ruby
// adds to an error of a plugin's: who needs that has vagrant itself.
func rubyMessage(stderr string) string {
	var lines []string
	for line := range strings.SplitSeq(strings.TrimSpace(stderr), "\n") {
		if !strings.HasPrefix(line, "\tfrom ") {
			lines = append(lines, raised.ReplaceAllString(line, ""))
		}
	}
	return strings.Join(lines, "\n")
}

// report is what vagrant said went wrong.
type report struct{ problem string }

// read takes machine-readable output apart until its end, and writes what people are
// meant to read to log. See
// https://developer.hashicorp.com/vagrant/docs/cli/machine-readable.
func (r *report) read(from io.Reader, log io.Writer) {
	lines := bufio.NewReader(from)
	for {
		text, err := lines.ReadString('\n')
		r.line(strings.TrimRight(text, "\r\n"), log)
		if err != nil {
			return
		}
	}
}

// line takes one line: time, machine, type, and data of that type.
func (r *report) line(text string, log io.Writer) {
	fields := strings.SplitN(text, ",", 4)
	if len(fields) < 4 {
		return
	}
	data := strings.Split(fields[3], ",")
	for i := range data {
		data[i] = unescape(data[i])
	}
	message := data[len(data)-1]
	switch fields[2] {
	case "ui":
		fmt.Fprintln(log, message)
		if data[0] == "error" && r.problem == "" {
			r.problem = message
		}
	case "error-exit":
		fmt.Fprintln(log, message)
		r.problem = message
	}
}

// unescape gives data back its commas and line breaks.
func unescape(s string) string {
	return strings.NewReplacer("%!(VAGRANT_COMMA)", ",", `\n`, "\n", `\r`, "").Replace(s)
}
