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

// maxLogins is how many connections may be logging in at once: sshd refuses some as
// soon as ten are (MaxStartups in sshd_config(5)), and mkube works on all nodes at once.
const maxLogins = 5

// sshClient speaks to an engine through the ssh command, as the docker command does:
// "docker system dial-stdio" on the engine's host carries each connection. Its
// DaemonHost is the URL without the user and path, which HTTP has no place for.
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
			// WithHost has set both for TCP; the ssh command needs no HTTP proxy.
			transport.DialContext, transport.Proxy = dial, nil
			return nil
		},
		client.WithVersionFromEnv(), client.WithAPIVersionNegotiation(),
	)
}

type dialFunc = func(ctx context.Context, network, addr string) (net.Conn, error)

// limitLogins lets at most n connections wait for their first answer at once.
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

// login is a connection that holds its slot until its first answer or its end.
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

// Write fails with what the ssh command wrote before it ended. Only a Read has that: to
// write to an ssh that has ended is a broken pipe.
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
		if _, ok := sshSaid(l.failure); ok {
			err = l.failure
		}
	}
	return n, err
}

func (l *login) Close() error {
	defer l.release()
	return l.Conn.Close()
}

// CloseWrite tells the other end that no more input comes, as an exec's end of input.
func (l *login) CloseWrite() error {
	if c, ok := l.Conn.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return nil
}

// sshSaid is the last line that the ssh command wrote before a connection through it
// failed: what is wrong, after any warnings.
func sshSaid(err error) (said string, ok bool) {
	_, stderr, ok := strings.Cut(err.Error(), "stderr=")
	lines := strings.Split(strings.TrimSpace(stderr), "\n")
	return strings.TrimSpace(lines[len(lines)-1]), ok
}

// sshHostname is the name or address that the ssh command connects to for a host, which
// may be an alias of ~/.ssh/config.
func sshHostname(ctx context.Context, u *url.URL) string {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	args := []string{"-G"}
	if port := u.Port(); port != "" {
		args = append(args, "-p", port)
	}
	out, err := exec.CommandContext(ctx, "ssh", append(args, "--", u.Hostname())...).Output()
	if err != nil {
		return u.Hostname() // what is wrong with ssh, the connection says
	}
	for line := range strings.Lines(string(out)) {
		if name, found := strings.CutPrefix(line, "hostname "); found {
			return strings.TrimSpace(name)
		}
	}
	return u.Hostname()
}
