package providertest

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/mkube/mkube/pkg/provider"
)

// terminal checks that a command has a terminal for all its streams.
func terminal(t *testing.T, n provider.Node) {
	var stdout, stderr bytes.Buffer
	in, typed := io.Pipe() // the input of a terminal does not end
	defer typed.Close()
	go func() { _, _ = io.WriteString(typed, "typed\n") }()
	script := `[ -t 0 ] && [ -t 1 ] && [ -t 2 ] && read -r line && echo "got $line" && echo to stderr >&2 && exit 7`
	err := n.Run(within(t), provider.Cmd{Args: []string{"sh", "-c", script}, TTY: true, Stdin: in, Stdout: &stdout, Stderr: &stderr})
	if code := provider.ExitCode(err); code != 7 {
		t.Errorf("Run = %v; want exit code 7", err)
	}
	for _, want := range []string{"got typed\r\n", "to stderr\r\n"} {
		if !strings.Contains(stdout.String(), want) {
			t.Errorf("the terminal shows %q; want %q in it", stdout.String(), want)
		}
	}
	if stderr.Len() > 0 {
		t.Errorf("stderr = %q; want all on the terminal", stderr.String())
	}
}

// guarded checks that a guarded command behaves like any other.
func guarded(t *testing.T, n provider.Node) {
	args := []string{"sh", "-c", `cat; printf %s "$1"; echo why >&2; exit 42`, "sh", "a 'b'\n"}
	out, err := outputOf(within(t), n, provider.Cmd{Args: args, Stdin: strings.NewReader("in\x00\xff\n"), Guarded: true})
	exit := (*provider.ExitError)(nil)
	if out != "in\x00\xff\na 'b'\n" || !errors.As(err, &exit) {
		t.Fatalf("Run = %q, %v", out, err)
	}
	if exit.Code != 42 || exit.Stderr != "why\n" || strings.Join(exit.Args, "|") != strings.Join(args, "|") {
		t.Errorf("Run = %+v", exit)
	}
}

// errFull is the error of a writer that receives a command's output.
var errFull = errors.New("the disk is full")

// brokenWriter fails at the first write.
type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, errFull }

// ended ends commands in every way. Each command has a child, and a process in another session.
func ended(t *testing.T, n provider.Node) {
	stdin := func() io.Reader { r, _ := io.Pipe(); return r }
	for _, tt := range []struct {
		name string
		cmd  provider.Cmd
	}{
		{"cancelled", provider.Cmd{}},
		{"cancelled, with input", provider.Cmd{Stdin: stdin()}},
		{"cancelled, guarded", provider.Cmd{Stdin: stdin(), Guarded: true}},
		{"cancelled, on a terminal", provider.Cmd{Stdin: stdin(), TTY: true, Guarded: true}},
		{"its output cannot be written", provider.Cmd{Stdout: brokenWriter{}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			mark := "MKUBE_TEST_END=" + rand.Text()
			tt.cmd.Args = []string{"sh", "-c", `sleep 1000 & while :; do echo; sleep 0.2; done`}
			tt.cmd.Env = []string{mark}
			ctx, cancel := context.WithCancel(within(t))
			defer cancel()
			result := make(chan error, 1)
			go func() { result <- n.Run(ctx, tt.cmd) }()
			want := errFull
			if tt.cmd.Stdout == nil {
				want = context.Canceled
				eventually(t, "the command runs", func() bool { return strings.Count(marked(t, n, mark), "environ") >= 2 })
				cancel()
			}
			if err := <-result; !errors.Is(err, want) {
				t.Errorf("Run = %v; want %v", err, want)
			}
			eventually(t, "nothing of it is left", func() bool { return marked(t, n, mark) == "" })
		})
	}
}

// marked returns the processes of a node with an environment variable.
func marked(t *testing.T, n provider.Node, variable string) string {
	t.Helper()
	out, err := provider.Output(within(t), n, "sh", "-c", `grep -lsxz "$1" /proc/[0-9]*/environ; :`, "sh", variable)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// eventually repeats a check until it succeeds, for at most ten seconds.
func eventually(t *testing.T, what string, ask func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !ask(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: still not after 10 s", what)
		}
	}
}
