//go:build e2e

package e2e

import (
	"crypto/sha256"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/go-connections/nat"
)

// webImage is a web server made of Debian's nginx (images/nginx).
const webImage = "mkube/e2e-web:test"

// loadWeb builds the web server's image, unless its inputs are unchanged, and loads it into a
// cluster.
func loadWeb(t *testing.T, c cluster) {
	t.Helper()
	buildWeb(t)
	mkube(t, "load", "image", webImage, "--name", c.name)
}

// inputsLabel is the digest of the inputs of an image of the tests.
const inputsLabel = "dev.mkube.e2e.inputs"

// building prevents tests that run at the same time from building the same image.
var building sync.Mutex

func buildWeb(t *testing.T) {
	t.Helper()
	building.Lock()
	defer building.Unlock()
	inputs := digest(t, "../images/nginx")
	if image, err := daemon.ImageInspect(t.Context(), webImage); err == nil && image.Config.Labels[inputsLabel] == inputs {
		return
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	rootfs := filepath.Join(dir, "mkube", "e2e", "nginx-"+inputs+".tar")
	if _, err := os.Stat(rootfs); err != nil {
		if err := os.MkdirAll(filepath.Dir(rootfs), 0o755); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.CommandContext(t.Context(), "sh", "../images/nginx/build.sh", rootfs).CombinedOutput(); err != nil {
			t.Fatalf("building the web server's image: %v\n%s", err, out)
		}
	}
	importImage(t, webImage, rootfs, `CMD ["/usr/sbin/nginx", "-g", "daemon off;"]`, "EXPOSE 80", "LABEL "+inputsLabel+"="+inputs)
}

// digest returns the digest of all files below a folder.
func digest(t *testing.T, dir string) string {
	t.Helper()
	hash := sha256.New()
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		fmt.Fprintf(hash, "%s %d\n%s", path, len(data), data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", hash.Sum(nil))[:16]
}

// published returns the host's address of a node's port.
func published(t *testing.T, node, port string) string {
	t.Helper()
	inspect, err := daemon.ContainerInspect(t.Context(), node)
	if err != nil {
		t.Fatal(err)
	}
	bound := inspect.NetworkSettings.Ports[nat.Port(port)]
	if len(bound) == 0 {
		t.Fatalf("port %s of %s is not published: %v", port, node, inspect.NetworkSettings.Ports)
	}
	return net.JoinHostPort(bound[0].HostIP, bound[0].HostPort)
}

// restart stops and starts a cluster's node, as a reboot of the host would.
func restart(t *testing.T, c cluster) {
	if err := daemon.ContainerRestart(t.Context(), c.name+"-control-plane", container.StopOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the API server answers again", func() (bool, string) {
		r := c.sh(t, "kubectl get --raw /readyz")
		return r.stdout == "ok", r.String()
	})
	everyPodReady(t, c)
	eventually(t, "the Service answers again", func() (bool, string) {
		r := c.sh(t, "curl --silent --show-error --max-time 2 http://$(hostname -i):30080")
		return r.code == 0, r.String()
	})
}

// stopAndStart stops a whole cluster and starts it again.
func stopAndStart(t *testing.T, c cluster) {
	before := c.kubectl(t, "get", "pods", "-A", "-o", "jsonpath={.items[*].metadata.uid}")
	mkube(t, "stop", "cluster", "--name", c.name)
	if inspect, err := daemon.ContainerInspect(t.Context(), c.name+"-control-plane"); err != nil || inspect.State.Running {
		t.Errorf("the node still runs, %v", err)
	}
	if r := try(t, "", "kubectl", "--name", c.name, "--", "get", "nodes"); r.code != 1 || !strings.Contains(r.stderr, "is not running") {
		t.Errorf("a cluster that is stopped: %s", r)
	}
	mkube(t, "start", "cluster", "--name", c.name, "--progress", "plain")
	everyPodReady(t, c)
	if after := c.kubectl(t, "get", "pods", "-A", "-o", "jsonpath={.items[*].metadata.uid}"); after != before {
		t.Errorf("the pods are\n%s\nthey were\n%s", after, before)
	}
}
