//go:build e2e

package e2e

import (
	"archive/tar"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"
	"github.com/docker/go-connections/nat"
	"sigs.k8s.io/yaml"
)

// remoteConfig requests free ports, of both protocols.
const remoteConfig = `
apiVersion: mkube.dev/v1alpha1
kind: Cluster
nodes:
- role: control-plane
  extraPortMappings:
  - {containerPort: 80}
  - {containerPort: 53, protocol: UDP}
`

// TestRemoteEngine checks that an engine on another host works like a local one, for each way of
// the docker command to reach it.
func TestRemoteEngine(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("remote engines are not tested: only root makes the network namespace of one")
	}
	if !inOwnProcess(t) {
		return
	}
	e := startEngine(t)
	whole := t // an engine that a subtest starts again must run for the subtests after it
	e.importScratch(t)
	t.Setenv("DOCKER_CONFIG", filepath.Join(e.dir, "config"))
	t.Setenv("DOCKER_CONTEXT", "")
	t.Run("by TLS", func(t *testing.T) {
		t.Setenv("DOCKER_HOST", "tcp://"+e.address+":2376")
		t.Setenv("DOCKER_TLS_VERIFY", "1")
		t.Setenv("DOCKER_CERT_PATH", filepath.Join(e.dir, "certs"))
		c := create(t, "e2e-remote-tls", remoteConfig)
		e.works(t, c, e.address)
		portsStay(t, e.client, c, "a restart of the engine", func() { e.restartDocker(whole) })
		t.Run("and by another address of its host", func(t *testing.T) {
			t.Setenv("DOCKER_HOST", "tcp://"+e.other+":2376")
			file := exported(t, c)
			if got := apiAt(t, file); got.host != e.other || got.serverName != "kubernetes" {
				t.Errorf("the kubeconfig is for %s as %q; want %s as kubernetes", got.host, got.serverName, e.other)
			}
		})
		refusesWhatIsOfThisMachine(t)
		t.Run("and by SSH", func(t *testing.T) {
			t.Setenv("DOCKER_HOST", "ssh://root@"+e.address)
			e.works(t, c, e.address)
			mkube(t, "delete", "cluster", "--name", c.name)
			if got := mkube(t, "get", "clusters"); got != "" {
				t.Errorf("the clusters are %q; want none", got)
			}
		})
	})
	t.Run("by a context", func(t *testing.T) {
		t.Setenv("DOCKER_HOST", "")
		certs := filepath.Join(e.dir, "certs")
		for name, endpoint := range map[string]string{
			"ssh": "host=ssh://root@mkube-engine",
			"tls": fmt.Sprintf("host=tcp://%s:2376,ca=%s/ca.pem,cert=%[2]s/cert.pem,key=%[2]s/key.pem", e.address, certs),
		} {
			command(t, t.Context(), "docker", "context", "create", name, "--docker", endpoint)
		}
		t.Setenv("DOCKER_CONTEXT", "ssh")
		c := create(t, "e2e-remote-context", remoteConfig)
		e.works(t, c, e.address) // the address of the alias
		t.Setenv("DOCKER_CONTEXT", "tls")
		e.works(t, c, e.address)
	})
}

// works does everything that a user does with a cluster.
func (e *remoteEngine) works(t *testing.T, c cluster, host string) {
	t.Helper()
	node := c.name + "-control-plane"
	if got := mkube(t, "get", "clusters"); got != c.name+"\n" {
		t.Errorf("the clusters are %q; want %s alone", got, c.name)
	}
	if got := apiAt(t, os.Getenv("KUBECONFIG")); got.host != host || got.serverName != "" {
		t.Errorf("create made a kubeconfig for %s as %q; want %s", got.host, got.serverName, host)
	}
	if got := apiAt(t, exported(t, c)); got.host != host {
		t.Errorf("export made a kubeconfig for %s; want %s", got.host, host)
	}
	if got := mkube(t, "get", "kubeconfig", "--name", c.name, "--internal"); !strings.Contains(got, "server: https://10.89.") {
		t.Errorf("the internal kubeconfig is\n%s", got)
	}
	if got := c.kubectl(t, "get", "nodes", "--no-headers"); !strings.Contains(got, node+" ") || !strings.Contains(got, " Ready ") {
		t.Errorf("the nodes are %s", got)
	}
	mkube(t, "load", "image", scratchImage, "--name", c.name)
	if got := mkube(t, "exec", node, "--", "crictl", "images"); !strings.Contains(got, strings.TrimSuffix(scratchImage, ":test")) {
		t.Errorf("the image is not on the node:\n%s", got)
	}
	if r := try(t, "through", "exec", node, "--", "sh", "-c", "cat; echo out; echo err >&2; exit 3"); r.code != 3 || r.stdout != "throughout\n" || r.stderr != "err\n" {
		t.Errorf("a command on the node: %s", r)
	}
	dir := strings.TrimSpace(mkube(t, "export", "logs", t.TempDir(), "--name", c.name))
	if list, err := filepath.Glob(filepath.Join(dir, node, "*")); err != nil || len(list) < 3 {
		t.Errorf("the logs are %q, %v", list, err)
	}
}

// exported returns the file of a kubeconfig that is exported from an existing cluster.
func exported(t *testing.T, c cluster) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "kubeconfig")
	mkube(t, "export", "kubeconfig", "--name", c.name, "--kubeconfig", file)
	return file
}

// reachedAPI is the address of the API server in the current context of a kubeconfig.
type reachedAPI struct{ host, port, serverName string }

// apiAt reads the address from a kubeconfig, and requests something from the API server as any
// client on this host would.
func apiAt(t *testing.T, file string) reachedAPI {
	t.Helper()
	var config struct {
		Current  string `json:"current-context"`
		Clusters []struct {
			Name    string
			Cluster struct {
				CA         []byte `json:"certificate-authority-data"`
				Server     string
				ServerName string `json:"tls-server-name"`
			}
		}
		Users []struct {
			Name string
			User struct {
				Cert []byte `json:"client-certificate-data"`
				Key  []byte `json:"client-key-data"`
			}
		}
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(data, &config); err != nil {
		t.Fatal(err)
	}
	for i, c := range config.Clusters {
		if c.Name != config.Current {
			continue
		}
		pair, err := tls.X509KeyPair(config.Users[i].User.Cert, config.Users[i].User.Key)
		if err != nil {
			t.Fatal(err)
		}
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(c.Cluster.CA)
		client := http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{
			TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: c.Cluster.ServerName, Certificates: []tls.Certificate{pair}},
		}}
		response, err := client.Get(c.Cluster.Server + "/api/v1/nodes")
		if err != nil {
			t.Fatalf("the kubeconfig's server does not answer: %v", err)
		}
		response.Body.Close()
		if response.StatusCode != http.StatusOK {
			t.Errorf("%s answers %s", c.Cluster.Server, response.Status)
		}
		host, port, err := net.SplitHostPort(strings.TrimPrefix(c.Cluster.Server, "https://"))
		if err != nil {
			t.Fatal(err)
		}
		return reachedAPI{host, port, c.Cluster.ServerName}
	}
	t.Fatalf("%s has no current context:\n%s", file, data)
	return reachedAPI{}
}

// portsStay compares the ports of a cluster's node before and after a restart.
func portsStay(t *testing.T, engine *client.Client, c cluster, what string, restart func()) {
	t.Helper()
	node := c.name + "-control-plane"
	before := portsOf(t, engine, node)
	if len(before["80/tcp"]) != 1 || len(before["53/udp"]) != 1 || before["80/tcp"][0].HostPort == "" || before["53/udp"][0].HostPort == "" {
		t.Fatalf("the ports are %v; want one of each protocol", before)
	}
	restart()
	eventually(t, "the API server answers after "+what, func() (bool, string) {
		r := c.sh(t, "kubectl get --raw /readyz")
		return r.stdout == "ok", r.String()
	})
	if got := portsOf(t, engine, node); fmt.Sprint(got) != fmt.Sprint(before) {
		t.Errorf("after %s the ports are %v; they were %v", what, got, before)
	}
	apiAt(t, exported(t, c))
}

// portsOf returns the published ports of a running container.
func portsOf(t *testing.T, engine *client.Client, name string) nat.PortMap {
	t.Helper()
	inspect, err := engine.ContainerInspect(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return inspect.NetworkSettings.Ports
}

// refusesWhatIsOfThisMachine checks that create refuses a loopback address and a relative path,
// which would refer to this machine.
func refusesWhatIsOfThisMachine(t *testing.T) {
	t.Helper()
	r := try(t, `
apiVersion: mkube.dev/v1alpha1
kind: Cluster
nodes: [{extraMounts: [{hostPath: data, containerPath: /data}]}]
networking: {apiServerAddress: 127.0.0.1}
`, "create", "cluster", "--name", "e2e-remote-refused", "--config", "-")
	if r.code != 2 || !strings.Contains(r.stderr, "networking.apiServerAddress: 127.0.0.1 is the loopback address of the Docker daemon's host") ||
		!strings.Contains(r.stderr, `nodes[0].extraMounts[0].hostPath: "data" is relative`) {
		t.Errorf("what is of this machine: %s", r)
	}
}

const scratchImage = "mkube/e2e-remote:test"

// importScratch creates an image with one file on the engine.
func (e *remoteEngine) importScratch(t *testing.T) {
	t.Helper()
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	if err := w.WriteHeader(&tar.Header{Name: "file", Size: 1, Mode: 0o644}); err != nil {
		t.Fatal(err)
	}
	io.WriteString(w, "x")
	w.Close()
	out, err := e.client.ImageImport(t.Context(), image.ImportSource{Source: &archive, SourceName: "-"}, scratchImage, image.ImportOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if _, err := io.Copy(io.Discard, out); err != nil {
		t.Fatal(err)
	}
}
