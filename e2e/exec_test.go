//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestCommandsEndWithTheirClient ends mkube in every way while a command runs on a node, and
// checks that nothing of the command is left there.
func TestCommandsEndWithTheirClient(t *testing.T) {
	t.Parallel()
	c := create(t, "e2e-exec", "")
	c.execEnds(t)
	c.kubectlEnds(t)
	c.execIsTransparent(t)
	c.execResizes(t)
}

// execResizes checks that the terminal of a command has the size of the user's terminal, at the
// start and after each change.
func (c cluster) execResizes(t *testing.T) {
	t.Helper()
	r := beginOnTerminal(t, "exec", c.name+"-control-plane", "--", "sh", "-c", "while :; do stty size; sleep 0.2; done")
	for _, size := range []unix.Winsize{{Row: 31, Col: 101}, {Row: 42, Col: 124}} {
		setSize(t, r.terminal, size)
		want := fmt.Sprintf("\n%d %d\r\n", size.Row, size.Col)
		eventually(t, "the terminal has its size", func() (bool, string) {
			shown := r.screen.String()
			return strings.Contains(shown, want), shown
		})
	}
	end := send(syscall.SIGTERM)
	end(t, r)
	<-r.ended
}

// setSize changes the size of a terminal, as a window does.
func setSize(t *testing.T, terminal *os.File, size unix.Winsize) {
	t.Helper()
	control, err := terminal.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	controlErr := control.Control(func(fd uintptr) { err = unix.IoctlSetWinsize(int(fd), unix.TIOCSWINSZ, &size) })
	if err := errors.Join(controlErr, err); err != nil {
		t.Fatal(err)
	}
}

// terminalText is everything that was written to a terminal.
type terminalText struct {
	mu   sync.Mutex
	text strings.Builder
}

func (s *terminalText) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *terminalText) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// send returns a function that ends mkube with a signal.
func send(s syscall.Signal) func(*testing.T, *running) {
	return func(t *testing.T, r *running) {
		if err := r.cmd.Process.Signal(s); err != nil {
			t.Fatal(err)
		}
	}
}

// hangUp closes mkube's terminal.
func hangUp(_ *testing.T, r *running) { r.terminal.Close() }

// closeOutput closes the other end of mkube's output, as head does.
func closeOutput(_ *testing.T, r *running) { r.output.Close() }

// tree is a tree of processes. One is in another session, and one is hard for a shell to end. All of
// them have %s in their command lines.
const tree = `setsid sh -c 'sleep %[1]s; :' & sh -c 'trap "" TERM; sleep %[1]s; :' & while :; do echo; sleep 0.%[1]s; done`

func (c cluster) execEnds(t *testing.T) {
	t.Helper()
	none, ended := func() io.Reader { return nil }, func() io.Reader { return strings.NewReader("x") }
	for name, tt := range map[string]struct {
		input func() io.Reader
		end   func(*testing.T, *running)
	}{
		"SIGINT":                   {none, send(syscall.SIGINT)},
		"SIGTERM, with input":      {openInput, send(syscall.SIGTERM)},
		"SIGHUP, after its input":  {ended, send(syscall.SIGHUP)},
		"SIGKILL":                  {none, send(syscall.SIGKILL)},
		"SIGKILL, with input":      {openInput, send(syscall.SIGKILL)},
		"SIGKILL, after its input": {ended, send(syscall.SIGKILL)},
		"its output is closed":     {openInput, closeOutput},
	} {
		t.Run("exec, "+name, func(t *testing.T) {
			mark := newMark()
			r := begin(t, tt.input(), "exec", c.name+"-control-plane", "--", "sh", "-c", fmt.Sprintf(tree, mark))
			c.wantGone(t, r, mark, tt.end)
		})
	}
	for name, tt := range map[string]struct {
		command []string
		end     func(*testing.T, *running)
	}{
		"SIGTERM":                         {[]string{"bash", "-i", "-c", tree}, send(syscall.SIGTERM)},
		"SIGKILL":                         {[]string{"bash", "-i", "-c", tree}, send(syscall.SIGKILL)},
		"SIGKILL, without an environment": {[]string{"env", "-i", "sh", "-c", tree}, send(syscall.SIGKILL)},
		"the terminal is closed":          {[]string{"sh", "-c", tree}, hangUp},
	} {
		t.Run("exec on a terminal, "+name, func(t *testing.T) {
			mark := newMark()
			args := append([]string{"exec", c.name + "-control-plane", "--"}, tt.command...)
			args[len(args)-1] = fmt.Sprintf(tree, mark)
			c.wantGone(t, beginOnTerminal(t, args...), mark, tt.end)
		})
	}
}

func (c cluster) kubectlEnds(t *testing.T) {
	t.Helper()
	for name, tt := range map[string]struct {
		args []string
		end  func(*testing.T, *running)
	}{
		"get --watch, SIGINT":  {[]string{"get", "configmaps", "--watch", "--field-selector=metadata.name!=x%s"}, send(syscall.SIGINT)},
		"get --watch, SIGKILL": {[]string{"get", "configmaps", "--watch", "--field-selector=metadata.name!=x%s"}, send(syscall.SIGKILL)},
		"logs -f, SIGKILL":     {[]string{"logs", "-n", "kube-system", "deployment/coredns", "-f", "--limit-bytes=%s00"}, send(syscall.SIGKILL)},
		"port-forward, SIGINT": {[]string{"port-forward", "-n", "kube-system", "deployment/coredns", "%s:53"}, send(syscall.SIGINT)},
	} {
		t.Run("kubectl "+name, func(t *testing.T) {
			mark := newMark()
			args := append([]string{"kubectl", "--name", c.name, "--"}, tt.args...)
			args[len(args)-1] = fmt.Sprintf(args[len(args)-1], mark)
			c.wantGone(t, begin(t, nil, args...), mark, tt.end)
		})
	}
}

// execIsTransparent checks that exec passes on bytes, exit codes, and the output of background
// processes.
func (c cluster) execIsTransparent(t *testing.T) {
	t.Helper()
	node := c.name + "-control-plane"
	data := string(bytes.Repeat([]byte("\x00\xff\r\n\x04\x03"), 50_000))
	if r := try(t, data, "exec", node, "--", "cat"); r.stdout != data || r.code != 0 {
		t.Errorf("%d of %d bytes came back, exit code %d", len(r.stdout), len(data), r.code)
	}
	for script, want := range map[string]int{"exit 0": 0, "exit 42": 42, "kill -9 $$": 137, "kill -TERM $$": 143} {
		if r := try(t, "", "exec", node, "--", "sh", "-c", script); r.code != want {
			t.Errorf("%s: %s", script, r)
		}
	}
	try(t, "", "exec", node, "--", "no-such-program").wants(t, 127, "no-such-program: not found")
	mark := newMark()
	if r := try(t, "", "exec", node, "--", "sh", "-c", "sleep "+mark+" >/dev/null 2>&1 </dev/null & :"); r.code != 0 {
		t.Error(r)
	}
	if r := c.sh(t, "pkill -f '[s]leep "+mark+"'"); r.code != 0 {
		t.Errorf("what a command that has ended left in the background must live on: %s", r)
	}
	eventually(t, "no file of an exec is left", func() (bool, string) {
		r := c.sh(t, `ls /tmp | grep -v "mkube-exec-$MKUBE_EXEC" | grep mkube-exec-`)
		return r.stdout == "", r.stdout
	})
}

// marks counts the commands of the test.
var marks = 30_000 + os.Getpid()%1000*20

// newMark returns a number that no other command of the test has. It has five digits, and is a
// valid port.
func newMark() string {
	marks++
	return fmt.Sprint(marks)
}

// wantGone ends mkube while its command runs, and checks that mkube has ended and that both are
// gone within ten seconds.
func (c cluster) wantGone(t *testing.T, r *running, mark string, end func(*testing.T, *running)) {
	t.Helper()
	there := func() (bool, string) {
		// The brackets exclude the search itself, and its shell.
		r := c.sh(t, "ps -eo pid,args | grep -e '["+mark[:1]+"]"+mark[1:]+"'")
		return r.stdout != "", r.stdout
	}
	eventually(t, "the command runs", there)
	end(t, r)
	start := time.Now()
	select {
	case <-r.ended:
	case <-time.After(10 * time.Second):
		_ = r.cmd.Process.Kill() // an error means that it has ended already
		t.Errorf("mkube has not ended after 10 s")
	}
	eventually(t, "nothing of it is left", func() (bool, string) {
		left, list := there()
		return !left, list
	})
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("that took %s", took)
	}
}

// running is a running mkube.
type running struct {
	cmd *exec.Cmd
	// output is the other end of its standard output. terminal is the other end of its terminal.
	output, terminal *os.File
	screen           terminalText // the output on the terminal
	ended            chan struct{}
}

func openInput() io.Reader { r, _ := io.Pipe(); return r }

// begin runs mkube with pipes.
func begin(t *testing.T, stdin io.Reader, args ...string) *running {
	t.Helper()
	output, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r := &running{cmd: exec.CommandContext(t.Context(), *mkubePath, args...), output: output}
	if stdin != nil {
		in, err := r.cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			_, _ = io.Copy(in, stdin) // an error means that mkube has ended
			in.Close()
		}()
	}
	r.cmd.Stdout = w
	r.start(t)
	w.Close()
	go func() { _, _ = io.Copy(io.Discard, output) }() // an error means that the test has closed the pipe
	return r
}

// beginOnTerminal runs mkube on its own terminal.
func beginOnTerminal(t *testing.T, args ...string) *running {
	t.Helper()
	terminal, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { terminal.Close() })
	var n int
	control, err := terminal.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	controlErr := control.Control(func(fd uintptr) {
		if n, err = unix.IoctlGetInt(int(fd), unix.TIOCGPTN); err == nil {
			err = unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0)
		}
	})
	if err != nil || controlErr != nil {
		t.Fatal(err, controlErr)
	}
	user, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	r := &running{cmd: exec.CommandContext(context.Background(), *mkubePath, args...), terminal: terminal}
	r.cmd.Stdin, r.cmd.Stdout, r.cmd.Stderr = user, user, user
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	r.start(t)
	user.Close()
	go func() { _, _ = io.Copy(&r.screen, terminal) }() // a terminal ends with EIO
	return r
}

func (r *running) start(t *testing.T) {
	t.Helper()
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r.ended = make(chan struct{})
	go func() {
		_ = r.cmd.Wait() // the test ends mkube, so any exit code is right
		close(r.ended)
	}()
	t.Cleanup(func() { _ = r.cmd.Process.Kill() }) // an error means that it has ended already
}
