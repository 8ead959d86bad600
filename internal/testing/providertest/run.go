package providertest

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mkube/mkube/pkg/provider"
)

// run tests the contract of Node.Run on the first cluster.
func (s *suite) run(t *testing.T) {
	n := s.made[0]
	for _, test := range []struct {
		name string
		run  func(*testing.T, provider.Node)
	}{
		{"an exit code is an ExitError", exitCode},
		{"stdout and stderr are kept apart", separateStreams},
		{"stdin reaches the command and ends", stdin},
		{"a command may leave its stdin", unread},
		{"without stdin a command reads nothing", noStdin},
		{"one MiB of output arrives whole", large},
		{"arguments are no shell's", quoting},
		{"Env is added to the node's own variables", env},
		{"a cancelled Run returns at once", cancelled},
		{"a terminal", terminal},
		{"a guarded command", guarded},
		{"a command that is not needed any longer ends, with all that it started", ended},
		{"many at once do not mix", atOnce},
		{"a program of the seed runs", program},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, n) })
	}
}

func exitCode(t *testing.T, n provider.Node) {
	args := []string{"sh", "-c", "echo out; echo why >&2; exit 42"}
	err := n.Run(within(t), provider.Cmd{Args: args})
	exit := (*provider.ExitError)(nil)
	if !errors.As(err, &exit) {
		t.Fatalf("Run = %v; want an ExitError", err)
	}
	if exit.Code != 42 || exit.Node != n.Name() || strings.Join(exit.Args, " ") != strings.Join(args, " ") || exit.Stderr != "why\n" {
		t.Errorf("Run = %+v", exit)
	}
	if err := n.Run(within(t), provider.Cmd{Args: []string{"sh", "-c", "exit 0"}}); err != nil {
		t.Errorf("Run of a command that succeeds = %v", err)
	}
}

func separateStreams(t *testing.T, n provider.Node) {
	var stdout, stderr bytes.Buffer
	err := n.Run(within(t), provider.Cmd{
		Args: []string{"sh", "-c", "echo out; echo err >&2; exit 1"}, Stdout: &stdout, Stderr: &stderr,
	})
	if stdout.String() != "out\n" || stderr.String() != "err\n" {
		t.Errorf("stdout = %q, stderr = %q", stdout.String(), stderr.String())
	}
	exit := (*provider.ExitError)(nil)
	if !errors.As(err, &exit) || exit.Code != 1 || exit.Stderr != "" {
		t.Errorf("Run = %+v; want exit code 1, and no Stderr since it went elsewhere", err)
	}
}

func stdin(t *testing.T, n provider.Node) {
	in := strings.Repeat("0123456789abcde\n", 1<<14)
	var out bytes.Buffer
	if err := n.Run(within(t), provider.Cmd{Args: []string{"cat"}, Stdin: strings.NewReader(in), Stdout: &out}); err != nil {
		t.Fatal(err)
	}
	if out.String() != in {
		t.Errorf("%d bytes came back; want the %d that went in", out.Len(), len(in))
	}
}

func unread(t *testing.T, n provider.Node) {
	in := strings.NewReader(strings.Repeat("x", 1<<20))
	out, err := outputOf(within(t), n, provider.Cmd{Args: []string{"printf", "done"}, Stdin: in})
	if out != "done" || err != nil {
		t.Errorf("Run = %q, %v", out, err)
	}
}

func noStdin(t *testing.T, n provider.Node) {
	if out, err := outputOf(within(t), n, provider.Cmd{Args: []string{"cat"}}); out != "" || err != nil {
		t.Errorf("Run = %q, %v", out, err)
	}
}

func large(t *testing.T, n provider.Node) {
	out, err := outputOf(within(t), n, provider.Cmd{Args: []string{"head", "-c", "1048576", "/dev/zero"}})
	if err != nil || out != strings.Repeat("\x00", 1<<20) {
		t.Errorf("Run gave %d bytes, %v; want 1048576 zeros", len(out), err)
	}
}

func quoting(t *testing.T, n provider.Node) {
	args := []string{"", "two words", "$HOME", "`id`", `"`, "'", `\`, "*", ";", "&&", "ünïcode", "new\nline"}
	out, err := outputOf(within(t), n, provider.Cmd{Args: append([]string{"printf", "%s|"}, args...)})
	if want := strings.Join(args, "|") + "|"; out != want || err != nil {
		t.Errorf("printf got %q, %v; want %q", out, err, want)
	}
}

func env(t *testing.T, n provider.Node) {
	out, err := outputOf(within(t), n, provider.Cmd{
		Args: []string{"sh", "-c", `printf '%s %s' "$MKUBE_TEST" "${PATH:+path}"`}, Env: []string{"MKUBE_TEST=a b=c"},
	})
	if out != "a b=c path" || err != nil {
		t.Errorf("Run = %q, %v", out, err)
	}
}

func cancelled(t *testing.T, n provider.Node) {
	ctx, cancel := context.WithTimeout(within(t), 50*time.Millisecond)
	defer cancel()
	start := time.Now()
	err := n.Run(ctx, provider.Cmd{Args: []string{"sleep", "20"}})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Run = %v; want the context's error", err)
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("Run returned %s after it was cancelled", took)
	}
}

func atOnce(t *testing.T, n provider.Node) {
	var wait sync.WaitGroup
	for i := range 4 {
		wait.Go(func() {
			in := strings.Repeat(string(rune('a'+i)), 1000)
			out, err := outputOf(within(t), n, provider.Cmd{Args: []string{"cat"}, Stdin: strings.NewReader(in)})
			if out != in || err != nil {
				t.Errorf("cat of %d bytes %q gave %d, %v", len(in), in[:1], len(out), err)
			}
		})
	}
	wait.Wait()
}

func program(t *testing.T, n provider.Node) {
	if out, err := outputOf(within(t), n, provider.Cmd{Args: []string{"/usr/local/bin/mkube-test"}}); out != "it ran\n" || err != nil {
		t.Errorf("Run = %q, %v", out, err)
	}
}

func outputOf(ctx context.Context, n provider.Node, cmd provider.Cmd) (string, error) {
	var out bytes.Buffer
	cmd.Stdout = &out
	err := n.Run(ctx, cmd)
	return out.String(), err
}

// writeFiles tests provider.WriteFiles on a running node.
func (s *suite) writeFiles(t *testing.T) {
	n := s.made[0]
	if err := provider.WriteFiles(within(t), n, nil); err != nil {
		t.Errorf("WriteFiles of nothing: %v", err)
	}
	changed := provider.File{Path: "/etc/mkube-test", Data: []byte("changed\n"), Mode: 0o640}
	added := provider.File{Path: "/etc/kubernetes-test/a/b", Data: bytes.Repeat([]byte("x"), 100_000), Mode: 0o600}
	// A folder in memory, which a copy from outside of the node does not reach.
	inRun := provider.File{Path: "/run/mkube-test/file", Data: []byte("run\n")}
	if err := provider.WriteFiles(within(t), n, []provider.File{changed, added, inRun}); err != nil {
		t.Fatal(err)
	}
	wantFile(t, n, changed, "640 0:0 regular file")
	wantFile(t, n, added, "600 0:0 regular file")
	wantFile(t, n, inRun, "644 0:0 regular file")
	wantStat(t, n, "/etc/kubernetes-test/a", "755 0:0 directory")
	wantStat(t, n, "/tmp", "1777 0:0 directory")
	if err := provider.WriteFiles(within(t), n, []provider.File{{Path: "/tmp/mkube-test", Data: []byte("tmp\n")}}); err != nil {
		t.Fatal(err)
	}
	wantStat(t, n, "/tmp", "1777 0:0 directory")
}
