package docker

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// remoteEngine sets the environment of a docker command that uses a remote engine.
func remoteEngine(t *testing.T, variables map[string]string) {
	t.Helper()
	for _, name := range []string{"DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_TLS", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH", "HTTP_PROXY", "http_proxy"} {
		t.Setenv(name, variables[name])
	}
}

// TestDialTLS checks that DOCKER_TLS_VERIFY never falls back to less security, as with the docker
// command.
func TestDialTLS(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Api-Version", "1.41") }))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	dir := t.TempDir()
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(filepath.Join(dir, "ca.pem"), ca, 0o600); err != nil {
		t.Fatal(err)
	}
	host := "tcp://" + server.Listener.Addr().String()
	for name, tt := range map[string]struct {
		verify, certs string
		dial, reach   string
	}{
		"with its authority": {"1", dir, "", ""},
		"without one":        {"1", t.TempDir(), "reading the TLS certificates of DOCKER_CERT_PATH: open ", ""},
		"not asked for":      {"", dir, "", "the Docker daemon at " + host + " does not answer: "},
	} {
		t.Run(name, func(t *testing.T) {
			remoteEngine(t, map[string]string{"DOCKER_HOST": host, "DOCKER_TLS_VERIFY": tt.verify, "DOCKER_CERT_PATH": tt.certs})
			c, err := Dial()
			if tt.dial != "" || err != nil {
				if err == nil || tt.dial == "" || !strings.HasPrefix(err.Error(), tt.dial) {
					t.Errorf("Dial = %v; want %q", err, tt.dial)
				}
				return
			}
			err = reach(t.Context(), c)
			if tt.reach == "" && err != nil || tt.reach != "" && !strings.HasPrefix(fmt.Sprint(err), tt.reach) {
				t.Errorf("reach = %v; want %q", err, tt.reach)
			}
		})
	}
}

// TestDialSSH replaces the ssh command by a script, and checks that it gets the same user and path
// as from the docker command.
func TestDialSSH(t *testing.T) {
	remoteEngine(t, map[string]string{"DOCKER_HOST": "ssh://me@build.example.com:2222/run/d.sock", "HTTP_PROXY": "http://192.0.2.1:1"})
	file := filepath.Join(t.TempDir(), "log")
	sshCommand(t, `echo "$*" >>`+file+`; read line; printf 'HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nContent-Length: 0\r\n\r\n'`)
	c, err := Dial()
	if err != nil {
		t.Fatal(err)
	}
	if err := reach(t.Context(), c); err != nil {
		t.Errorf("reach = %v", err)
	}
	const want = "-l me -p 2222 -o ConnectTimeout=30 -T -- build.example.com docker '--host=unix:///run/d.sock' system dial-stdio\n"
	if got, err := os.ReadFile(file); err != nil || string(got) != want {
		t.Errorf("ssh was run with %q, %v; want %q", got, err, want)
	}
}

// TestDialSSHFails checks that the error is one line with the last line of ssh.
func TestDialSSHFails(t *testing.T) {
	remoteEngine(t, map[string]string{"DOCKER_HOST": "ssh://build.example.com"})
	sshCommand(t, `echo "Warning: something" >&2; echo "me@build: Permission denied (publickey)." >&2; exit 255`)
	c, err := Dial()
	if err != nil {
		t.Fatal(err)
	}
	want := "the Docker daemon at ssh://build.example.com does not answer: make sure that the docker command reaches it, and that it is installed on that host (me@build: Permission denied (publickey).)"
	if err := reach(t.Context(), c); fmt.Sprint(err) != want {
		t.Errorf("reach = %v; want %s", err, want)
	}
	for host, want := range map[string]string{
		"ssh://me:secret@build": `DOCKER_HOST or Docker context "ssh://me:xxxxx@build": `,
		"ssh://":                `DOCKER_HOST or Docker context "ssh:": `,
		"gopher://build":        `DOCKER_HOST "gopher://build": `,
	} {
		t.Setenv("DOCKER_HOST", host)
		if _, err := Dial(); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("Dial of %s = %v; want %s", host, err, want)
		}
	}
}

// TestLimitLogins checks that a connection counts until its first answer, its failure or its end.
func TestLimitLogins(t *testing.T) {
	t.Parallel()
	far := make(chan net.Conn, 3)
	dial := limitLogins(func(context.Context, string, string) (net.Conn, error) {
		near, other := net.Pipe()
		far <- other
		return near, nil
	}, 2)
	open := func() net.Conn {
		t.Helper()
		c, err := dial(t.Context(), "", "")
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	full := func(when string) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		if _, err := dial(ctx, "", ""); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s a third connection may log in: %v", when, err)
		}
	}
	first, second := open(), open()
	full("while two do")
	go (<-far).Write([]byte("x"))
	if _, err := first.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	third := open()
	full("after one answer")
	second.Close()
	second.Close()
	open()
	full("after an end")
	first.Close()
	third.Close()
	if err := third.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		t.Errorf("CloseWrite of what cannot = %v", err)
	}
	fails := limitLogins(func(context.Context, string, string) (net.Conn, error) { return nil, net.ErrClosed }, 1)
	for range 3 {
		if _, err := fails(t.Context(), "", ""); !errors.Is(err, net.ErrClosed) {
			t.Errorf("dial = %v", err)
		}
	}
}

// endedConn is the connection of an ssh command that has ended.
type endedConn struct {
	net.Conn
	read error
}

func (c endedConn) Write([]byte) (int, error) { return 0, syscall.EPIPE }
func (c endedConn) Read([]byte) (int, error)  { return 0, c.read }

func TestWriteToSSHThatEnded(t *testing.T) {
	t.Parallel()
	message := errors.New("command [ssh] has exited: stderr=Host key verification failed")
	for read, want := range map[error]error{message: message, io.EOF: syscall.EPIPE, net.ErrClosed: syscall.EPIPE} {
		conn := &login{Conn: endedConn{read: read}, release: func() {}}
		for range 2 {
			if _, err := conn.Write([]byte("x")); !errors.Is(err, want) {
				t.Errorf("Write where Read says %v: %v; want %v", read, err, want)
			}
		}
	}
}
