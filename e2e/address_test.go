//go:build e2e

package e2e

import (
	"fmt"
	"net"
	"os"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/container"
)

// lanAddress returns the address of this machine that other machines see. The connection sends
// nothing.
func lanAddress(t *testing.T) string {
	t.Helper()
	conn, err := net.Dial("udp4", "198.51.100.1:9")
	if err != nil {
		t.Fatalf("this machine has no route to others: %v", err)
	}
	defer conn.Close()
	host, _, err := net.SplitHostPort(conn.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	return host
}

// TestAPIServerOnAllAddresses checks an API server behind a load balancer, by every address in the
// certificate.
func TestAPIServerOnAllAddresses(t *testing.T) {
	t.Parallel()
	lan := lanAddress(t)
	c := create(t, "e2e-everywhere", fmt.Sprintf(`
apiVersion: mkube.dev/v1alpha1
kind: Cluster
nodes: [{role: control-plane}, {role: control-plane}]
networking: {apiServerAddress: 0.0.0.0, apiServerCertSANs: [%s, api.example.com]}
`, lan))
	file := exported(t, c)
	at := apiAt(t, file)
	if at.host != "127.0.0.1" || at.serverName != "" {
		t.Errorf("the kubeconfig is for %s as %q; want 127.0.0.1", at.host, at.serverName)
	}
	replaced(t, file, "https://127.0.0.1:", "https://"+lan+":")
	if got := apiAt(t, file); got.host != lan {
		t.Errorf("asked %s; want %s", got.host, lan)
	}
	if r := c.sh(t, "openssl x509 -noout -ext subjectAltName -in /etc/kubernetes/pki/apiserver.crt"); !strings.Contains(r.stdout, "api.example.com") {
		t.Errorf("the certificate lacks a name: %s", r)
	}
}

// replaced replaces one text in a file with another.
func replaced(t *testing.T, file, before, after string) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(data), before) {
		t.Fatalf("%s has no %s:\n%s", file, before, data)
	}
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(string(data), before, after)), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestPublishedPorts checks one port number on an address of each family, and ports that the
// engine chose, which must stay after a restart.
func TestPublishedPorts(t *testing.T) {
	t.Parallel()
	port := freeOnBoth(t)
	c := create(t, "e2e-published", fmt.Sprintf(`
apiVersion: mkube.dev/v1alpha1
kind: Cluster
nodes:
- role: control-plane
  extraPortMappings:
  - {containerPort: 6443, hostPort: %s, listenAddress: 127.0.0.1}
  - {containerPort: 6443, hostPort: %[1]s, listenAddress: "::1"}
  - {containerPort: 80}
  - {containerPort: 53, protocol: UDP}
networking: {apiServerAddress: "::"}
`, port))
	at := apiAt(t, exported(t, c))
	if at.host != "::1" || at.serverName != "" {
		t.Errorf("the kubeconfig is for %s as %q; want ::1", at.host, at.serverName)
	}
	for _, host := range []string{"127.0.0.1", "::1"} {
		file := exported(t, c)
		replaced(t, file, "https://[::1]:"+at.port, "https://"+net.JoinHostPort(host, port))
		apiAt(t, file)
	}
	portsStay(t, daemon, c, "a restart of the node", func() {
		if err := daemon.ContainerRestart(t.Context(), c.name+"-control-plane", container.StopOptions{}); err != nil {
			t.Fatal(err)
		}
	})
}

// freeOnBoth returns a port on which nothing listens, on the loopback of either family.
func freeOnBoth(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "[::]:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// TestAPIServerOnAnAddressOfTheHost checks that everything works if the API server is published at
// the address of this machine on its network.
func TestAPIServerOnAnAddressOfTheHost(t *testing.T) {
	t.Parallel()
	lan := lanAddress(t)
	c := create(t, "e2e-lan", "apiVersion: mkube.dev/v1alpha1\nkind: Cluster\nnetworking: {apiServerAddress: "+lan+"}\n")
	if at := apiAt(t, exported(t, c)); at.host != lan || at.serverName != "" {
		t.Errorf("the kubeconfig is for %s as %q; want %s", at.host, at.serverName, lan)
	}
	loadWeb(t, c)
	if got := c.kubectl(t, "get", "nodes", "--no-headers"); !strings.Contains(got, " Ready ") {
		t.Errorf("the nodes are %s", got)
	}
	if r := try(t, "", "exec", c.name+"-control-plane", "--", "true"); r.code != 0 {
		t.Errorf("a command on the node: %s", r)
	}
	mkube(t, "export", "logs", t.TempDir(), "--name", c.name)
}
