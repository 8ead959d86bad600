package vagrant

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/ed25519"
	"fmt"
	"io"
	"net"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/crypto/ssh"

	"github.com/mkube/mkube/internal/testing/fake"
	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/provider"
)

// server is a fake machine: an SSH server whose commands run on a node in memory. After a stop and
// a start, it has another address, as machines may have.
type server struct {
	node   *fake.Node
	config *ssh.ServerConfig
	// connections counts all connections, and busy the open sessions. most is the maximum of busy.
	// running counts the running commands.
	connections, busy, most, running atomic.Int32

	mu       sync.Mutex
	listener net.Listener
	open     []net.Conn

	// resized receives each new size of a terminal, as columns and rows.
	resized chan [2]uint32
}

func newServer(name string) *server {
	programs := fake.HostPrograms()
	programs["mkube-vm-setup"] = func(_ context.Context, n *fake.Node, cmd provider.Cmd) (int, error) {
		if _, there := n.File("/usr/local/bin/mkube-vm-setup"); !there || cmd.Args[1] != n.Name() {
			return 127, nil
		}
		return 0, nil
	}
	programs["journalctl"] = func(_ context.Context, n *fake.Node, cmd provider.Cmd) (int, error) {
		_, err := fmt.Fprintf(cmd.Stdout, "%s: journal of this boot\n", n.Name())
		return 0, err
	}
	cfg := config.Cluster{Nodes: []config.Node{{Name: name}}}.Default()
	nodes, err := (&fake.Provider{Programs: programs}).Create(context.Background(), cfg, "", func([]provider.Node) (map[string][]provider.File, error) { return nil, nil })
	if err != nil {
		panic(err) // the fake node refuses nothing
	}
	// Neither fails: the random source does not, and the type of the key is supported.
	_, private, _ := ed25519.GenerateKey(nil)
	signer, _ := ssh.NewSignerFromKey(private)
	s := &server{resized: make(chan [2]uint32, 1), node: nodes[0].(*fake.Node), config: &ssh.ServerConfig{
		PublicKeyCallback: func(ssh.ConnMetadata, ssh.PublicKey) (*ssh.Permissions, error) { return nil, nil },
	}}
	s.config.AddHostKey(signer)
	return s
}

func (s *server) listen() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listener != nil {
		return nil
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	s.listener = l
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			s.open = append(s.open, conn)
			s.mu.Unlock()
			s.connections.Add(1)
			go s.serve(conn)
		}
	}()
	return nil
}

func (s *server) address() *net.TCPAddr {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listener == nil {
		return nil
	}
	return s.listener.Addr().(*net.TCPAddr)
}

// stop ends the server and its connections.
func (s *server) stop() {
	s.mu.Lock()
	if s.listener != nil {
		s.listener.Close()
		s.listener = nil
	}
	s.mu.Unlock()
	s.cut()
}

// cut closes all connections, as a failing network does.
func (s *server) cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.open {
		c.Close()
	}
	s.open = nil
}

func (s *server) serve(conn net.Conn) {
	c, channels, requests, err := ssh.NewServerConn(conn, s.config)
	if err != nil {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() { _ = c.Wait(); cancel() }() // how it ended does not matter
	go ssh.DiscardRequests(requests)
	for ch := range channels {
		channel, requests, err := ch.Accept()
		if err != nil {
			return
		}
		go s.session(ctx, channel, requests)
	}
}

// session runs the command that a client requests. It ignores errors of a connection that has
// ended.
func (s *server) session(ctx context.Context, ch ssh.Channel, requests <-chan *ssh.Request) {
	defer ch.Close()
	n := s.busy.Add(1)
	defer s.busy.Add(-1)
	for old := s.most.Load(); n > old && !s.most.CompareAndSwap(old, n); old = s.most.Load() {
	}
	tty := false
	for r := range requests {
		tty = tty || r.Type == "pty-req"
		_ = r.Reply(r.Type == "exec" || r.Type == "pty-req", nil) // the client may have gone
		if r.Type != "exec" {
			continue
		}
		var exec struct{ Command string }
		_ = ssh.Unmarshal(r.Payload, &exec) // this package's client sends valid requests
		go s.resize(requests)
		code := s.exec(ctx, exec.Command, tty, ch)
		_, _ = ch.SendRequest("exit-status", false, ssh.Marshal(struct{ Code uint32 }{uint32(code)})) // the client may have gone
		return
	}
}

// resize sends the sizes that a session requests while its command runs to resized, see RFC 4254,
// 6.7.
func (s *server) resize(requests <-chan *ssh.Request) {
	for r := range requests {
		var size struct{ Columns, Rows, Width, Height uint32 }
		if r.Type == "window-change" && ssh.Unmarshal(r.Payload, &size) == nil {
			s.resized <- [2]uint32{size.Columns, size.Rows}
		}
		_ = r.Reply(false, nil) // the session may have ended
	}
}

const asRoot = "cd / && exec sudo --non-interactive env "

var assignment = regexp.MustCompile(`^[A-Z_]+=`)

// exec runs a command line. A real shell parses it; sudo and env are simulated.
func (s *server) exec(ctx context.Context, line string, tty bool, ch ssh.Channel) int {
	rest, ok := strings.CutPrefix(line, asRoot)
	if !ok {
		fmt.Fprintf(ch.Stderr(), "not asked to be root: %s\n", line)
		return 1
	}
	out, err := exec.CommandContext(ctx, "sh", "-c", `printf '%s\0' `+rest).Output()
	if err != nil {
		fmt.Fprintln(ch.Stderr(), err)
		return 2
	}
	cmd := provider.Cmd{Args: strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00"), Stdout: ch, Stderr: ch.Stderr(), Stdin: ch, TTY: tty}
	for len(cmd.Args) > 0 && assignment.MatchString(cmd.Args[0]) {
		cmd.Env, cmd.Args = append(cmd.Env, cmd.Args[0]), cmd.Args[1:]
	}
	if cmd.Args[0] == "tar" || cmd.Args[0] == "cat" {
		// The fake programs need their whole input in memory.
		data, err := io.ReadAll(ch)
		if err != nil {
			return 2
		}
		cmd.Stdin = bytes.NewReader(data)
	}
	s.running.Add(1)
	err = s.node.Run(ctx, cmd)
	s.running.Add(-1) // before the client learns about the end
	if code := provider.ExitCode(err); code >= 0 {
		return code
	}
	fmt.Fprintln(ch.Stderr(), err)
	return 255
}

// writeEntries writes files as an archive, in the given order.
func writeEntries(w io.Writer, files [][2]string) error {
	out := tar.NewWriter(w)
	for _, f := range files {
		if err := out.WriteHeader(&tar.Header{Name: f[0], Mode: 0o755, Size: int64(len(f[1]))}); err != nil {
			return err
		}
		if _, err := io.WriteString(out, f[1]); err != nil {
			return err
		}
	}
	return out.Close()
}
