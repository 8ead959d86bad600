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

// output has the writers for the streams of the vagrant command.
type output struct{ stdout, stderr io.Writer }

// patience is the time that an interrupted vagrant has to clean up.
const patience = 40 * time.Second

// runVagrant runs vagrant in a folder. When ctx ends, it interrupts vagrant and waits for it, so
// that vagrant can release its locks and clean up.
func runVagrant(ctx context.Context, dir string, w output, args ...string) error {
	cmd := exec.CommandContext(ctx, "vagrant", args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, w.stdout, w.stderr
	cmd.Env = append(os.Environ(), "VAGRANT_CHECKPOINT_DISABLE=1")
	// Ctrl-C in the terminal must not reach vagrant in addition to the interrupt from here. After a
	// second interrupt, vagrant exits without a clean-up.
	ownGroup(cmd)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = patience
	return cmd.Run()
}

// vagrant runs a command that changes machines of a cluster. It appends all output to the log in
// the cluster's folder.
func (p *Provider) vagrant(ctx context.Context, cluster string, args ...string) error {
	dir := p.folder(cluster)
	log, err := os.OpenFile(filepath.Join(dir, logFile), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	reader, writer := io.Pipe()
	var messages report
	read := make(chan struct{})
	go func() {
		defer close(read)
		messages.read(reader, log)
	}()
	var stderr bytes.Buffer
	err = p.run(ctx, dir, output{writer, io.MultiWriter(&stderr, log)}, append([]string{"--machine-readable", "--no-color"}, args...)...)
	_ = writer.Close() // a pipe's Close does not fail
	<-read
	return explain(ctx, err, args[0], messages.problem, stderr.String())
}

// explain returns an error with the cause that vagrant has reported.
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

// raised matches the start of Ruby's message about an unhandled error: the place where it was
// raised.
var raised = regexp.MustCompile("^\\S+\\.rb:\\d+:in [`'][^']*': ")

// rubyMessage returns Ruby's message without the stack trace, a hundred lines that Ruby adds to an
// error of a plugin. For the trace, users can run vagrant directly.
func rubyMessage(stderr string) string {
	var lines []string
	for line := range strings.SplitSeq(strings.TrimSpace(stderr), "\n") {
		if !strings.HasPrefix(line, "\tfrom ") {
			lines = append(lines, raised.ReplaceAllString(line, ""))
		}
	}
	return strings.Join(lines, "\n")
}

// report contains the error that vagrant has reported.
type report struct{ problem string }

// read parses machine-readable output until its end, and writes the messages for users to log. See
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

// line parses one line: time, machine, type, and data of that type.
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

// unescape restores the commas and line breaks in data.
func unescape(s string) string {
	return strings.NewReplacer("%!(VAGRANT_COMMA)", ",", `\n`, "\n", `\r`, "").Replace(s)
}
