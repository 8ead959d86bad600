package docker

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/docker/cli/cli/connhelper"
	"github.com/docker/docker/client"
)

// maxLogins is the maximum number of connections that log in at the same time. sshd refuses some as
// soon as there are ten (MaxStartups in sshd_config(5)), and mkube works on all nodes concurrently.
const maxLogins = 5

// sshClient connects to an engine with the ssh command, as the docker command does: each connection
// is a "docker system dial-stdio" on the engine's host. DaemonHost of the client returns the URL
// without the user and path, which HTTP does not support.
func sshClient(daemonURL string) (*client.Client, error) {
	u, err := url.Parse(daemonURL)
	if err != nil {
		return nil, fmt.Errorf("DOCKER_HOST or Docker context: %w", err)
	}
	helper, err := connhelper.GetConnectionHelper(daemonURL)
	if err != nil {
		return nil, fmt.Errorf("DOCKER_HOST or Docker context %q: %w", u.Redacted(), err)
	}
	transport := new(http.Transport)
	dial := limitLogins(helper.Dialer, maxLogins)
	return client.NewClientWithOpts(
		client.WithHTTPClient(&http.Client{Transport: transport, CheckRedirect: client.CheckRedirect}),
		client.WithHost("ssh://"+u.Host),
		func(*client.Client) error {
			// WithHost has set both for TCP. The ssh command needs no HTTP proxy.
			transport.DialContext, transport.Proxy = dial, nil
			return nil
		},
		client.WithVersionFromEnv(), client.WithAPIVersionNegotiation(),
	)
}

type dialFunc = func(ctx context.Context, network, addr string) (net.Conn, error)

// limitLogins allows at most n connections to wait for their first answer at the same time.
func limitLogins(dial dialFunc, n int) dialFunc {
	slots := make(chan struct{}, n)
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		release := sync.OnceFunc(func() { <-slots })
		conn, err := dial(ctx, network, addr)
		if err != nil {
			release()
			return nil, err
		}
		return &login{Conn: conn, release: release}, nil
	}
}

// login is a connection that keeps its slot until its first answer or its end.
type login struct {
	net.Conn
	release func()

	reading sync.Mutex
	failure error // of the first Read that failed
}

func (l *login) Read(b []byte) (int, error) {
	defer l.release()
	l.reading.Lock()
	defer l.reading.Unlock()
	n, err := l.Conn.Read(b)
	if l.failure == nil {
		l.failure = err
	}
	return n, err
}

// Write fails with the last output of an ssh command that has ended. Only a Read returns that: a
// Write to an ended ssh returns a broken pipe.
func (l *login) Write(b []byte) (int, error) {
	n, err := l.Conn.Write(b)
	if err == nil {
		return n, nil
	}
	l.reading.Lock()
	defer l.reading.Unlock()
	if l.failure == nil {
		_, l.failure = l.Conn.Read(make([]byte, 1))
	}
	if l.failure != nil {
		if _, ok := sshMessage(l.failure); ok {
			err = l.failure
		}
	}
	return n, err
}

func (l *login) Close() error {
	defer l.release()
	return l.Conn.Close()
}

// CloseWrite signals the end of input, such as that of an exec, to the other end.
func (l *login) CloseWrite() error {
	if c, ok := l.Conn.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return nil
}

// sshMessage returns the last line that the ssh command wrote before its connection failed. That line
// is the cause; warnings come before it. ok is false if err is not from ssh.
func sshMessage(err error) (message string, ok bool) {
	_, stderr, ok := strings.Cut(err.Error(), "stderr=")
	lines := strings.Split(strings.TrimSpace(stderr), "\n")
	return strings.TrimSpace(lines[len(lines)-1]), ok
}

// sshHostname returns the name or address that the ssh command connects to for a host, which may be
// an alias in ~/.ssh/config.
func sshHostname(ctx context.Context, u *url.URL) string {
	// ssh -G only reads the configuration. The limit is for a command in it (Match exec) that
	// hangs.
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	args := []string{"-G"}
	if port := u.Port(); port != "" {
		args = append(args, "-p", port)
	}
	out, err := exec.CommandContext(ctx, "ssh", append(args, "--", u.Hostname())...).Output()
	if err != nil {
		return u.Hostname() // the connection itself reports what is wrong with ssh
	}
	for line := range strings.Lines(string(out)) {
		if name, found := strings.CutPrefix(line, "hostname "); found {
			return strings.TrimSpace(name)
		}
	}
	return u.Hostname()
}
