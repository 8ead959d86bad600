//go:build e2e

package e2e

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/go-connections/nat"
)

const (
	registryName  = "e2e-registry"
	registryImage = "mkube/e2e-registry:test"
	registryPort  = "5000/tcp"
)

// TestALocalRegistry follows docs/local-registry.md: a pod runs an image that its node pulled from
// a registry on the nodes' network. The registry outlives the cluster. The cluster is in a company's
// network, as in docs/proxies.md: other images come through a proxy.
func TestALocalRegistry(t *testing.T) {
	t.Parallel()
	certs, company := t.TempDir(), newCompanyNetwork(t)
	if err := os.WriteFile(company.caFile, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	c := create(t, "e2e-pulls", fmt.Sprintf(`
apiVersion: mkube.dev/v1alpha1
kind: Cluster
nodes:
- role: control-plane
  extraMounts:
  - {hostPath: %s, containerPath: /etc/containerd/certs.d, readOnly: true}
  - {hostPath: %s, containerPath: /etc/ssl/certs/company-ca.pem, readOnly: true}
proxy: {httpProxy: %[3]q, httpsProxy: %[3]q, noProxy: %[4]s}
`, certs, company.caFile, company.url, registryName))
	host := runRegistry(t, c)
	hosts := filepath.Join(certs, host, "hosts.toml")
	if err := os.MkdirAll(filepath.Dir(hosts), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(hosts, []byte(`server = "http://`+registryName+`:5000"`), 0o644); err != nil {
		t.Fatal(err)
	}
	name := pushWeb(t, host)
	c.kubectl(t, "run", "web", "--image", name, "--image-pull-policy", "Always")
	c.kubectl(t, "wait", "--for=condition=Ready", "--timeout=180s", "pod/web")
	// Only requests of a node have the registry in the query (ns=).
	if log := registryLog(t); !strings.Contains(log, " /v2/web/manifests/1?ns=") {
		t.Errorf("the node did not ask the registry, whose log is\n%s", log)
	}
	loadByDigest(t, c, name)
	if targets := company.targets(); len(targets) > 0 {
		t.Errorf("the proxy is asked for %q, which noProxy lists, or which is in the cluster", targets)
	}
	company.serve(t, host)
	// containerd reads the authorities once.
	if r := c.sh(t, "systemctl restart containerd"); r.code != 0 {
		t.Fatal(r)
	}
	c.kubectl(t, "run", "outside", "--image", outsideRegistry+"/web:1", "--image-pull-policy", "Always")
	c.kubectl(t, "wait", "--for=condition=Ready", "--timeout=180s", "pod/outside")
	if targets := company.targets(); !slices.Contains(targets, outsideRegistry+":443") {
		t.Errorf("the pod runs, but the proxy is asked only for %q", targets)
	}
	mkube(t, "delete", "cluster", "--name", c.name)
	inspect, err := daemon.ContainerInspect(t.Context(), registryName)
	if err != nil || !inspect.State.Running {
		t.Errorf("the registry went with the cluster: %v", err)
	}
}

// loadByDigest loads an image that the daemon has pushed, by its digest and by its ID.
func loadByDigest(t *testing.T, c cluster, name string) {
	t.Helper()
	inspect, err := daemon.ImageInspect(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	repository := strings.TrimSuffix(name, ":1")
	i := slices.IndexFunc(inspect.RepoDigests, func(d string) bool { return strings.HasPrefix(d, repository+"@") })
	if i < 0 {
		t.Fatalf("the daemon has %q of %s", inspect.RepoDigests, name)
	}
	byDigest := inspect.RepoDigests[i]
	id := strings.TrimPrefix(inspect.ID, "sha256:")[:12]
	for n, image := range []string{byDigest, id} {
		if r := c.sh(t, "crictl rmi "+inspect.ID); r.code != 0 {
			t.Fatal(r)
		}
		mkube(t, "load", "image", image, "--name", c.name)
		pod := fmt.Sprintf("loaded%d", n)
		c.kubectl(t, "run", pod, "--image", byDigest, "--image-pull-policy", "Never")
		c.kubectl(t, "wait", "--for=condition=Ready", "--timeout=180s", "pod/"+pod)
		c.kubectl(t, "delete", "pod", pod, "--grace-period=1")
		if r := try(t, "", "load", "image", image, "--name", c.name); !strings.Contains(r.stderr, "already has "+image) {
			t.Errorf("it is loaded again: %s", r)
		}
	}
}

// runRegistry runs a registry on a cluster's network, and returns the address at which the host
// reaches it.
func runRegistry(t *testing.T, c cluster) string {
	t.Helper()
	rootfs := filepath.Join(t.TempDir(), "registry.tar")
	if out, err := exec.CommandContext(t.Context(), "../images/registry/build.sh", rootfs).CombinedOutput(); err != nil {
		t.Fatalf("building the registry: %v\n%s", err, out)
	}
	t.Cleanup(func() { removeImage(t, registryImage) })
	importImage(t, registryImage, rootfs, `CMD ["/crane", "registry", "serve", "--address", ":5000"]`)
	made, err := daemon.ContainerCreate(t.Context(),
		&container.Config{Image: registryImage, ExposedPorts: nat.PortSet{registryPort: {}}},
		&container.HostConfig{
			NetworkMode:  container.NetworkMode("mkube-" + c.name),
			PortBindings: nat.PortMap{registryPort: {{HostIP: "127.0.0.1"}}},
		}, nil, nil, registryName)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { removeContainer(t, made.ID) })
	if err := daemon.ContainerStart(t.Context(), made.ID, container.StartOptions{}); err != nil {
		t.Fatal(err)
	}
	_, port, _ := strings.Cut(published(t, registryName, registryPort), ":")
	eventually(t, "the registry answers", func() (bool, string) {
		response, err := http.Get("http://localhost:" + port + "/v2/")
		if err != nil {
			return false, err.Error()
		}
		defer response.Body.Close()
		return response.StatusCode == http.StatusOK, response.Status
	})
	return "localhost:" + port
}

func removeContainer(t *testing.T, id string) {
	// The context of the test has ended already.
	err := daemon.ContainerRemove(context.Background(), id, container.RemoveOptions{Force: true, RemoveVolumes: true})
	if err != nil && !errdefs.IsNotFound(err) {
		t.Error(err)
	}
}

// pushWeb pushes the web server's image, as docker push does.
func pushWeb(t *testing.T, host string) (name string) {
	t.Helper()
	buildWeb(t)
	name = host + "/web:1"
	if err := daemon.ImageTag(t.Context(), webImage, name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { removeImage(t, name) })
	nobody := base64.URLEncoding.EncodeToString([]byte("{}"))
	out, err := daemon.ImagePush(t.Context(), name, image.PushOptions{RegistryAuth: nobody})
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if said, err := io.ReadAll(out); err != nil || strings.Contains(string(said), `"error"`) {
		t.Fatalf("pushing %s: %v\n%s", name, err, said)
	}
	return name
}

func registryLog(t *testing.T) string {
	t.Helper()
	log, err := daemon.ContainerLogs(t.Context(), registryName, container.LogsOptions{ShowStdout: true, ShowStderr: true})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	data, err := io.ReadAll(log)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
