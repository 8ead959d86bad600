//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/docker/docker/client"

	"github.com/mkube/mkube/pkg/pki"
)

// remoteEngine is a second Docker engine with its own network namespace. Its addresses, ports and
// firewall rules are not those of this machine, which reaches it only through a pair of virtual
// links.
type remoteEngine struct {
	dir       string // on a disk, because overlay2 does not work in the root of a container
	namespace string
	// address and other are two addresses of the engine.
	address, other string
	// client is a separate connection, which no test checks.
	client *client.Client
	docker *program
	logged []string // the logs that were shown: several programs in turn write the same one
}

// startEngine starts the engine, with the node image, TLS on port 2376 and sshd on port 22. All of
// it ends with the test.
func startEngine(t *testing.T) *remoteEngine {
	t.Helper()
	needPrograms(t, map[string]string{"sshd": "openssh-server", "ssh": "openssh-client"})
	e := newEngine(t, "mkube-e2e-remote-")
	e.startSSHD(t)
	return e
}

// newEngine starts an engine with the node image, in a folder whose name begins with a prefix. TLS
// on port 2376 and a socket in that folder reach it.
func newEngine(t *testing.T, prefix string) *remoteEngine {
	t.Helper()
	needPrograms(t, map[string]string{"nsenter": "util-linux", "ip": "iproute2"})
	dir, err := os.MkdirTemp("/var/lib", prefix)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		endShims(dir)
		removeMounts(t, dir)
	})
	e := &remoteEngine{dir: dir}
	e.makeNamespace(t)
	e.makeCertificates(t)
	e.startDocker(t)
	e.loadNodeImage(t)
	return e
}

// needPrograms installs the Debian packages of programs that are missing.
func needPrograms(t *testing.T, packages map[string]string) {
	t.Helper()
	var missing []string
	for program, name := range packages {
		if _, err := exec.LookPath(program); err != nil {
			missing = append(missing, name)
		}
	}
	if len(missing) == 0 {
		return
	}
	t.Logf("installing %s", strings.Join(missing, ", "))
	apt := exec.CommandContext(t.Context(), "sh", "-c", `apt-get update && apt-get install -y --no-install-recommends "$@"`, "sh")
	apt.Args = append(apt.Args, missing...)
	apt.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	if out, err := apt.CombinedOutput(); err != nil {
		t.Fatalf("installing %s: %v\n%s", strings.Join(missing, ", "), err, out)
	}
}

// endShims kills the shims of an engine in a folder. The engine ends the shims of the containers that
// it knows. If it was killed while it started a container, it does not know that one.
func endShims(dir string) {
	paths, _ := filepath.Glob("/proc/[0-9]*/cmdline") // the pattern is valid
	for _, path := range paths {
		args, _ := os.ReadFile(path) // empty for a process that has ended
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path))); err == nil && bytes.Contains(args, []byte("\x00"+dir+"/")) {
			_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended
		}
	}
}

// removeMounts removes a folder, and the mounts in it that an engine may have left.
func removeMounts(t *testing.T, dir string) {
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		t.Error(err)
	}
	for line := range strings.Lines(string(mounts)) {
		if path := strings.Fields(line)[1]; strings.HasPrefix(path, dir+"/") {
			_ = syscall.Unmount(path, syscall.MNT_DETACH) // RemoveAll reports a mount that is left
		}
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Error(err)
	}
}

// makeNamespace creates the network namespace of the engine, with two addresses on a network that
// only this process uses.
func (e *remoteEngine) makeNamespace(t *testing.T) {
	t.Helper()
	id := os.Getpid()
	e.namespace = fmt.Sprintf("mkube-e2e-%d", id)
	// 198.18.0.0/15 is for tests of networks (RFC 2544). Each process uses eight of its addresses.
	subnet := netip.AddrFrom4([4]byte{198, 18 + byte(id>>13&1), byte(id >> 5), byte(id<<3) & 0xf8})
	here := subnet.Next()
	address, other := here.Next(), here.Next().Next()
	e.address, e.other = address.String(), other.String()
	link := fmt.Sprintf("mkr%d", id)
	t.Cleanup(func() {
		// The other end of the link is removed with the namespace, when no process is in it.
		command(t, context.Background(), "ip", "link", "delete", link)
		command(t, context.Background(), "ip", "netns", "delete", e.namespace)
	})
	for _, args := range []string{
		"netns add " + e.namespace,
		"link add " + link + " type veth peer name eth0 netns " + e.namespace,
		"address add " + here.String() + "/29 dev " + link,
		"link set " + link + " up",
		"-n " + e.namespace + " address add " + e.address + "/29 dev eth0",
		"-n " + e.namespace + " address add " + e.other + "/29 dev eth0",
		"-n " + e.namespace + " link set lo up",
		"-n " + e.namespace + " link set eth0 up",
		"-n " + e.namespace + " route add default via " + here.String(),
	} {
		command(t, t.Context(), "ip", strings.Fields(args)...)
	}
}

func command(t *testing.T, ctx context.Context, name string, args ...string) {
	t.Helper()
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	if err != nil {
		t.Errorf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
}

// program is a program in the engine's network namespace.
type program struct {
	cmd   *exec.Cmd
	ended chan struct{} // closed at its end, after err is set
	err   error
}

// wait waits for the end of the program. It may be called several times.
func (p *program) wait() error {
	<-p.ended
	return p.err
}

// stop sends SIGTERM to the program and waits until it has ended.
func (p *program) stop() error {
	// A program that hangs is killed. removeMounts removes the mounts that it leaves.
	kill := time.AfterFunc(30*time.Second, func() { _ = p.cmd.Process.Kill() })
	defer kill.Stop()
	// An error means that it has ended already.
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	return p.wait()
}

// run runs a program in the engine's network namespace, until the end of the test at the latest.
// It does not use "ip netns exec", which would hide the cgroups of this machine.
func (e *remoteEngine) run(t *testing.T, name string, args ...string) *program {
	t.Helper()
	log, err := os.OpenFile(filepath.Join(e.dir, filepath.Base(name)+".log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close() // the program has its own copy
	cmd := exec.Command("nsenter", append([]string{"--net=/run/netns/" + e.namespace, name}, args...)...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &program{cmd: cmd, ended: make(chan struct{})}
	go func() {
		defer close(p.ended)
		p.err = cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = p.stop() // killed at the end of the test, so any error is right
		if t.Failed() && !slices.Contains(e.logged, log.Name()) {
			e.logged = append(e.logged, log.Name())
			t.Logf("the last errors in %s:\n%s", log.Name(), lastErrors(log.Name()))
		}
	})
	return p
}

// lastErrors returns the end of a log without the messages of the levels info and warning. An engine
// writes dozens of them when it ends, which would hide the message of the test.
func lastErrors(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	lines := slices.DeleteFunc(strings.Split(strings.TrimSpace(string(text)), "\n"), func(line string) bool {
		return strings.Contains(line, "level=info") || strings.Contains(line, "level=warning")
	})
	return strings.Join(lines[max(0, len(lines)-10):], "\n")
}

func (e *remoteEngine) file(t *testing.T, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(e.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// startDocker starts the engine, which requires a certificate of its clients.
func (e *remoteEngine) startDocker(t *testing.T) {
	t.Helper()
	socket := "unix://" + filepath.Join(e.dir, "docker.sock")
	launch := func() *program {
		return e.run(t, "dockerd", "--config-file", e.file(t, "daemon.json", []byte("{}")),
			"--data-root", filepath.Join(e.dir, "data"), "--exec-root", filepath.Join(e.dir, "exec"), "--pidfile", filepath.Join(e.dir, "docker.pid"),
			"--host", socket, "--host", "tcp://"+e.address+":2376", "--host", "tcp://"+e.other+":2376", "--storage-driver", "overlay2", "--tlsverify",
			"--tlscacert", filepath.Join(e.dir, "certs", "ca.pem"), "--tlscert", filepath.Join(e.dir, "server.pem"), "--tlskey", filepath.Join(e.dir, "server-key.pem"))
	}
	e.docker = launch()
	var err error
	if e.client, err = client.NewClientWithOpts(client.WithHost(socket), client.WithAPIVersionNegotiation()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the second engine answers", func() (bool, string) {
		select {
		case <-e.docker.ended: // its containerd restarted too late
			e.docker = launch() // as systemd does
		default:
		}
		_, err := e.client.Ping(t.Context())
		return err == nil, fmt.Sprint(err)
	})
}

func (e *remoteEngine) restartDocker(t *testing.T) {
	t.Helper()
	if err := e.docker.stop(); err != nil {
		t.Errorf("dockerd: %v", err)
	}
	e.startDocker(t)
}

// makeCertificates creates an authority, the engine's certificate, and a folder for
// DOCKER_CERT_PATH.
func (e *remoteEngine) makeCertificates(t *testing.T) {
	t.Helper()
	ca, err := pki.NewAuthority("docker", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	server, serverErr := ca.Issue(pki.Request{CommonName: "engine", IPs: []netip.Addr{netip.MustParseAddr(e.address), netip.MustParseAddr(e.other)}, Usage: pki.Server})
	user, userErr := ca.Issue(pki.Request{CommonName: "user", Usage: pki.Client})
	if err := errors.Join(serverErr, userErr); err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{
		"server.pem": server.Cert, "server-key.pem": server.Key,
		"certs/ca.pem": ca.CertPEM(), "certs/cert.pem": user.Cert, "certs/key.pem": user.Key,
	} {
		e.file(t, name, data)
	}
}

// startSSHD starts an sshd that accepts one key, with the engine as its DOCKER_HOST. It adds an
// ssh command to the PATH that knows the key and the alias "mkube-engine".
func (e *remoteEngine) startSSHD(t *testing.T) {
	t.Helper()
	for _, key := range []string{"host-key", "user-key"} {
		command(t, t.Context(), "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", filepath.Join(e.dir, key))
	}
	public, err := os.ReadFile(filepath.Join(e.dir, "user-key.pub"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll("/run/sshd", 0o755); err != nil { // sshd requires it
		t.Fatal(err)
	}
	config := e.file(t, "sshd_config", fmt.Appendf(nil, `Port 22
ListenAddress %s
ListenAddress %s
HostKey %s/host-key
PidFile none
AuthorizedKeysFile %s
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin prohibit-password
SetEnv DOCKER_HOST=unix://%[3]s/docker.sock
`, e.address, e.other, e.dir, e.file(t, "authorized_keys", public)))
	sshd, err := exec.LookPath("sshd")
	if err != nil {
		t.Fatal(err)
	}
	e.run(t, sshd, "-D", "-e", "-f", config)
	client := e.file(t, "ssh_config", fmt.Appendf(nil, `Host mkube-engine
  HostName %s
Host *
  IdentityFile %s/user-key
  IdentitiesOnly yes
  UserKnownHostsFile %[2]s/known_hosts
  StrictHostKeyChecking accept-new
`, e.address, e.dir))
	ssh, err := exec.LookPath("ssh")
	if err != nil {
		t.Fatal(err)
	}
	wrapper := e.file(t, "bin/ssh", fmt.Appendf(nil, "#!/bin/sh\nexec %s -F %s \"$@\"\n", ssh, client))
	if err := os.Chmod(wrapper, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", filepath.Dir(wrapper)+":"+os.Getenv("PATH"))
}

// loadNodeImage does the same as "docker save | docker load".
func (e *remoteEngine) loadNodeImage(t *testing.T) {
	t.Helper()
	archive, err := daemon.ImageSave(t.Context(), []string{nodeImage})
	if err != nil {
		t.Fatal(err)
	}
	defer archive.Close()
	loaded, err := e.client.ImageLoad(t.Context(), archive)
	if err != nil {
		t.Fatal(err)
	}
	defer loaded.Body.Close()
	if _, err := io.Copy(io.Discard, loaded.Body); err != nil {
		t.Fatal(err)
	}
}
