package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/mkube/mkube/pkg/pki"
)

// floor measures the minimum for any tool: etcd and kube-apiserver as two plain processes of the
// host, from the node image's own binary. It measures from the start of the first process to the
// first response with status 200 of /readyz.
func floor(ctx context.Context, binary string) (time.Duration, error) {
	dir, err := os.MkdirTemp("", "mkube-floor-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	private, public, err := pki.NewServiceAccountKey()
	if err != nil {
		return 0, err
	}
	for name, data := range map[string][]byte{"sa.key": private, "sa.pub": public} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			return 0, err
		}
	}
	ports, err := freePorts(3)
	if err != nil {
		return 0, err
	}
	client, peer, api := ports[0], ports[1], ports[2]
	start := time.Now()
	etcd, err := begin(binary, dir, "etcd", "--data-dir="+dir+"/etcd",
		"--listen-client-urls=http://"+client, "--advertise-client-urls=http://"+client,
		"--listen-peer-urls=http://"+peer, "--initial-advertise-peer-urls=http://"+peer,
		"--initial-cluster=default=http://"+peer)
	if err != nil {
		return 0, err
	}
	defer etcd.end()
	_, port, err := net.SplitHostPort(api)
	if err != nil {
		return 0, err
	}
	server, err := begin(binary, dir, "kube-apiserver", "--etcd-servers=http://"+client,
		"--bind-address=127.0.0.1", "--secure-port="+port, "--cert-dir="+dir,
		"--service-account-issuer=https://kubernetes.default.svc", "--service-account-key-file="+dir+"/sa.pub",
		"--service-account-signing-key-file="+dir+"/sa.key", "--service-cluster-ip-range=10.96.0.0/16",
		"--authorization-mode=Node,RBAC")
	if err != nil {
		return 0, err
	}
	defer server.end()
	if err := answers(ctx, "https://"+api+"/readyz", server); err != nil {
		return 0, fmt.Errorf("%w\netcd: %s\nkube-apiserver: %s", err, etcd.tail(), server.tail())
	}
	return time.Since(start), nil
}

// process is a running program. Its output is kept for an error.
type process struct {
	cmd  *exec.Cmd
	log  *os.File
	done chan struct{}
}

func begin(binary, dir, program string, args ...string) (*process, error) {
	log, err := os.Create(filepath.Join(dir, program+".log"))
	if err != nil {
		return nil, err
	}
	p := &process{cmd: exec.Command(binary, append([]string{program}, args...)...), log: log, done: make(chan struct{})}
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = dir, log, log
	// It is killed when this program ends, even if this program is killed.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		return nil, errors.Join(err, log.Close())
	}
	go func() {
		_ = p.cmd.Wait() // it is killed, so any exit code is right
		close(p.done)
	}()
	return p, nil
}

func (p *process) end() {
	_ = p.cmd.Process.Kill() // it may have ended already
	<-p.done
	p.log.Close()
}

func (p *process) tail() string {
	data, err := os.ReadFile(p.log.Name())
	if err != nil {
		return err.Error()
	}
	lines := bytes.Split(bytes.TrimSpace(data), []byte("\n"))
	return string(bytes.Join(lines[max(0, len(lines)-5):], []byte("\n")))
}

func answers(ctx context.Context, url string, p *process) error {
	// The server has just created its own self-signed certificate.
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		response, err := client.Do(request)
		if err == nil {
			response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-p.done:
			return errors.New("kube-apiserver ended")
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// freePorts returns addresses on the loopback on which nothing listens.
func freePorts(n int) ([]string, error) {
	var list []string
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close()
		list = append(list, l.Addr().String())
	}
	return list, nil
}
