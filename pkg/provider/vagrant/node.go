package vagrant

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/alessio/shellescape"
	"golang.org/x/crypto/ssh"

	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/provider"
)

// node is a node that is a virtual machine.
type node struct {
	provider *Provider
	cluster  string
	machine  machine
	// link stays closed after the machine was destroyed, even if a new one gets its name.
	link *link
}

var _ provider.Node = (*node)(nil)

func (p *Provider) node(cluster string, m machine) *node {
	return &node{provider: p, cluster: cluster, machine: m, link: p.link(cluster, m.Name)}
}

func (n *node) Name() string                { return n.machine.Name }
func (n *node) Role() config.Role           { return n.machine.Role }
func (n *node) IP() netip.Addr              { return n.machine.Address }
func (n *node) IPs() []netip.Addr           { return []netip.Addr{n.machine.Address} }
func (n *node) Versions() provider.Versions { return n.machine.Versions }

// environment is the environment of a command, as in a node container.
var environment = []string{
	"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "KUBECONFIG=/etc/kubernetes/admin.conf",
}

// line returns the shell line that runs a command on the machine as root.
func line(cmd provider.Cmd) string {
	args := append([]string{"sudo", "--non-interactive", "env"}, environment...)
	args = append(append(args, cmd.Env...), cmd.Args...)
	return "cd / && exec " + shellescape.QuoteCommand(args)
}

// Command returns the ssh command that does the same in a shell.
func (n *node) Command(cmd provider.Cmd) []string {
	args := []string{"ssh", "-F", filepath.Join(n.provider.folder(n.cluster), sshConfigFile)}
	if cmd.TTY {
		args = append(args, "-t")
	}
	return append(args, n.Name(), line(cmd))
}

// Run runs a command in a session of the node's connection. provider.Supervise ends it, because
// sshd does not when its session is closed.
func (n *node) Run(ctx context.Context, cmd provider.Cmd) error {
	if err := provider.Supervise(ctx, cmd, n.run); err != nil {
		var exit *provider.ExitError
		if errors.As(err, &exit) {
			return err
		}
		return fmt.Errorf("running %s on %s: %w", cmd.Args[0], n.Name(), err)
	}
	return nil
}

func (n *node) run(ctx context.Context, cmd provider.Cmd) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s, done, err := n.link.session(ctx)
	if err != nil {
		return err
	}
	defer done()
	stop := context.AfterFunc(ctx, func() { _ = s.Close() }) // the command may have ended the session
	defer stop()
	stderr := &tail{limit: 4096} // bytes, a screenful
	if cmd.Stderr == nil {
		cmd.Stderr = stderr
	}
	out := new(gate)
	s.Stdout, s.Stderr = out.to(cmd.Stdout), out.to(cmd.Stderr)
	if err := begin(s, cmd); err != nil {
		return errors.Join(ctx.Err(), err)
	}
	running, stopResizing := context.WithCancel(ctx)
	defer stopResizing()
	go cmd.Resize(running, func(size provider.TerminalSize) {
		// The next size corrects one that fails.
		_ = s.WindowChange(size.Rows, size.Columns)
	})
	if err = ended(ctx, s); ctx.Err() != nil {
		out.shut()
		return ctx.Err()
	}
	var exit *ssh.ExitError
	var missing *ssh.ExitMissingError
	switch {
	case errors.As(err, &exit):
		return &provider.ExitError{Node: n.Name(), Args: cmd.Args, Code: exit.ExitStatus(), Stderr: string(stderr.data)}
	case errors.As(err, &missing):
		return errors.New("the connection was lost; it is unknown what the command has done")
	}
	return err
}

// ended waits for the end of a command or of the context. sshd does not report a session that was
// closed before the end of its command.
func ended(ctx context.Context, s *ssh.Session) error {
	end := make(chan error, 1)
	go func() { end <- s.Wait() }()
	select {
	case err := <-end:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// gate passes on what a command writes until it is shut. Later output is discarded.
type gate struct {
	mu     sync.Mutex
	closed bool
}

func (g *gate) shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
}

// to returns a writer that passes through the gate to w. If w is nil, it returns nil, which
// discards the output.
func (g *gate) to(w io.Writer) io.Writer {
	if w == nil {
		return nil
	}
	return gated{g, w}
}

type gated struct {
	gate *gate
	to   io.Writer
}

func (w gated) Write(p []byte) (int, error) {
	w.gate.mu.Lock()
	defer w.gate.mu.Unlock()
	if w.gate.closed {
		return len(p), nil
	}
	return w.to.Write(p)
}

// begin starts a command. A separate goroutine copies the input, because the command may end
// without reading all of it, and the input of a terminal does not end.
func begin(s *ssh.Session, cmd provider.Cmd) error {
	if cmd.TTY {
		// 24 by 80 is the usual default. The command sets the real size, see stty(1).
		if err := s.RequestPty(terminalType(cmd.Env), 24, 80, ssh.TerminalModes{}); err != nil {
			return err
		}
	}
	if cmd.Stdin == nil {
		return s.Start(line(cmd))
	}
	stdin, err := s.StdinPipe()
	if err != nil {
		return err
	}
	if err := s.Start(line(cmd)); err != nil {
		return err
	}
	go func() {
		// Both fail only if the command has ended without reading all input.
		_, _ = io.Copy(stdin, cmd.Stdin)
		_ = stdin.Close()
	}()
	return nil
}

func terminalType(env []string) string {
	for _, v := range env {
		if name, ok := strings.CutPrefix(v, "TERM="); ok && name != "" {
			return name
		}
	}
	return "dumb"
}

// tail keeps the last bytes that are written to it, limit at most.
type tail struct {
	data  []byte
	limit int
}

func (t *tail) Write(p []byte) (int, error) {
	t.data = append(t.data, p...)
	t.data = t.data[max(0, len(t.data)-t.limit):]
	return len(p), nil
}

// Endpoint returns the node's own address and the port: the host is on the cluster's network too.
func (n *node) Endpoint(ctx context.Context, port int) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	return netip.AddrPortFrom(n.IP(), uint16(port)).String(), nil
}

// Logs writes vagrant's output about all machines of the cluster, and the journal of this machine's
// boot if the machine is reachable.
func (n *node) Logs(ctx context.Context, w io.Writer) error {
	f, err := os.Open(filepath.Join(n.provider.folder(n.cluster), logFile))
	if err != nil {
		return fmt.Errorf("reading the log of vagrant for %s: %w", n.Name(), err)
	}
	defer f.Close()
	if _, err := io.Copy(w, f); err != nil {
		return err
	}
	return n.Run(ctx, provider.Cmd{Args: []string{"journalctl", "--boot", "--no-pager"}, Stdout: w})
}
