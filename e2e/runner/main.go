// Command runner runs tests with go test. It reports each test when it starts and when it ends,
// with its duration and the number of tests that are left. The output of a failed test follows
// immediately. The last lines are those of go test: one for each package, and FAIL.
package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// tests are the arguments for go test.
type tests struct {
	tags, run string
	parallel  int
	timeout   time.Duration
	packages  []string
}

func main() {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	t := tests{}
	flag.StringVar(&t.tags, "tags", "", "the build tags, separated by commas")
	flag.StringVar(&t.run, "run", "", "only tests whose name matches this regular expression")
	flag.IntVar(&t.parallel, "parallel", 2, "how many tests run at the same time")
	flag.DurationVar(&t.timeout, "timeout", time.Hour, "how long the tests of a package may take")
	flag.Parse()
	t.packages = flag.Args()
	code, err := t.execute(context.Background(), signals, os.Stdout, os.Stderr)
	if err != nil {
		fmt.Fprintln(os.Stderr, "runner:", err)
	}
	os.Exit(code)
}

// execute runs the tests and returns the exit code of go test, or 128 plus the number of the
// signal.
func (t tests) execute(ctx context.Context, signals <-chan os.Signal, stdout, stderr io.Writer) (code int, err error) {
	r := newReport(stdout, t.count(ctx))
	cmd := exec.Command("go", append([]string{"test", "-json"}, t.args()...)...)
	// In a separate process group, Ctrl-C in a terminal reaches only this program, which passes it
	// on once.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Stderr = stderr
	events, err := cmd.StdoutPipe()
	if err != nil {
		return 1, err
	}
	if err := cmd.Start(); err != nil {
		return 1, err
	}
	lines := make(chan []byte)
	go read(events, lines)
	caught := follow(r, lines, signals, cmd.Process.Pid)
	err = cmd.Wait()
	endGroup(cmd.Process.Pid)
	r.summarize(time.Now())
	switch exit := (*exec.ExitError)(nil); {
	case caught != 0:
		return 128 + int(caught), nil
	case errors.As(err, &exit):
		return max(exit.ExitCode(), 1), nil // the exit code of a killed process is -1
	case err != nil:
		return 1, err
	}
	return 0, nil
}

// args returns the arguments of go test. Packages run one after the other, because their tests
// share an engine.
func (t tests) args() []string {
	args := []string{
		"-tags", t.tags, "-run", t.run, "-count", "1", "-p", "1",
		"-parallel", strconv.Itoa(t.parallel), "-timeout", t.timeout.String(),
	}
	return append(args, t.packages...)
}

// count returns the number of tests. It ignores a package that does not compile, which go test
// reports when it runs.
func (t tests) count(ctx context.Context) int {
	name, _, _ := strings.Cut(t.run, "/") // the rest names subtests
	list := exec.CommandContext(ctx, "go", append([]string{"test", "-tags", t.tags, "-list", cmp.Or(name, ".")}, t.packages...)...)
	out, _ := list.Output() // the errors appear again when the tests run
	n := 0
	for line := range bytes.Lines(out) {
		for _, kind := range []string{"Test", "Fuzz", "Example"} {
			if bytes.HasPrefix(line, []byte(kind)) {
				n++
			}
		}
	}
	return n
}

// read sends the lines of a stream.
func read(stream io.Reader, lines chan<- []byte) {
	defer close(lines)
	for reader := bufio.NewReader(stream); ; {
		line, err := reader.ReadBytes('\n')
		if len(line) > 0 {
			lines <- line
		}
		if err != nil {
			return
		}
	}
}

// follow reports until the lines end. It passes the first signal on to the tests, and the second
// signal kills them.
func follow(r *report, lines <-chan []byte, signals <-chan os.Signal, group int) (caught syscall.Signal) {
	tick := time.NewTicker(settled / 2)
	defer tick.Stop()
	for {
		select {
		case line, ok := <-lines:
			if !ok {
				return caught
			}
			r.line(line)
		case now := <-tick.C:
			r.announce(now)
		case s := <-signals:
			number, _ := s.(syscall.Signal) // all signals here are
			if caught != 0 {
				_ = syscall.Kill(-group, syscall.SIGKILL) // an error means that the tests have ended
				continue
			}
			caught = number
			r.printf("%v: the tests stop and delete their clusters; again kills them\n", s)
			_ = syscall.Kill(-group, number) // an error means that the tests have ended
		}
	}
}

// endGroup ends the processes that a test left when it panicked or was killed. SIGINT comes first,
// because mkube then deletes what it created.
func endGroup(group int) {
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGKILL} {
		if errors.Is(syscall.Kill(-group, s), syscall.ESRCH) {
			return
		}
		for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
			if errors.Is(syscall.Kill(-group, 0), syscall.ESRCH) {
				return
			}
		}
	}
}
