//go:build e2e

package e2e

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// virtual is a cluster of two machines: a control plane and a worker. Because an emulated
// processor is slow, it omits a component that the test does not need.
const virtual = `apiVersion: mkube.dev/v1alpha1
kind: Cluster
name: e2e-virtual
cloudControllerManager: false
nodes:
- name: k8s-master
  address: 192.168.50.4
- role: worker
  resources: {cpus: "1", memory: 1536Mi}
`

const (
	testBox = "mkube/e2e"
	master  = "k8s-master"
	worker  = "e2e-virtual-worker"
)

// TestVirtualMachines creates a cluster of real virtual machines with Vagrant, libvirt and
// software emulation, which works on any machine. It should take 15 minutes. Only on a machine
// with much other work may it take up to the limit.
func TestVirtualMachines(t *testing.T) {
	wantMachines(t)
	ctx, cancel := context.WithTimeout(t.Context(), 35*time.Minute)
	defer cancel()
	startLibvirt(t, ctx)
	makeBox(t, ctx)
	mkube(t, "build", "node-image", "--bundle", filepath.Join(os.Getenv("XDG_DATA_HOME"), "mkube", "bundles", "v1.37.2.tar"), "--source", "../node-image", "--progress", "plain")

	leavesNothingWhenInterrupted(t, ctx)

	c := create(t, "e2e-virtual", virtual, "--provider", "vagrant", "--vagrant-provider", "libvirt", "--box", testBox,
		"--cpus", "2", "--memory", "2048", "--wait", "12m")
	t.Run("the nodes are those that were asked for", func(t *testing.T) {
		want := "NAME                 ROLE            ADDRESS         VERSION\n" +
			"k8s-master           control-plane   192.168.50.4    v1.37.2\n" +
			"e2e-virtual-worker   worker          192.168.50.11   v1.37.2\n"
		if got := mkube(t, "get", "nodes", "--name", c.name, "-o", "wide"); got != want {
			t.Errorf("got\n%swant\n%s", got, want)
		}
		if got := mkube(t, "get", "clusters"); !strings.Contains(got, c.name+"\n") {
			t.Errorf("the cluster is not listed:\n%s", got)
		}
		for _, line := range strings.Split(strings.TrimSpace(c.kubectl(t, "get", "nodes", "--no-headers")), "\n") {
			if !strings.Contains(line, " Ready ") {
				t.Error(line)
			}
		}
	})
	t.Run("a machine has its name, the container runtime, the kubelet and kubectl", func(t *testing.T) {
		got := mkube(t, "exec", master, "--name", c.name, "--", "sh", "-c", "hostname && kubelet --version && kubectl version --client && systemctl is-active containerd kubelet")
		if !strings.HasPrefix(got, "k8s-master\nKubernetes v1.37.2\nClient Version: v1.37.2\n") || !strings.HasSuffix(got, "\nactive\nactive\n") {
			t.Error(got)
		}
	})
	t.Run("plain vagrant works in the cluster's folder", func(t *testing.T) {
		said := plainVagrant(t, ctx, c.name, "ssh", "-c", "sudo -i kubectl get nodes -o name")
		if !strings.Contains(said, "node/k8s-master") {
			t.Error(said)
		}
	})
	t.Run("the kubeconfig leads to the machine", func(t *testing.T) {
		if got := mkube(t, "get", "kubeconfig", "--name", c.name); !strings.Contains(got, "server: https://192.168.50.4:6443") {
			t.Error(got)
		}
	})
	t.Run("an image is loaded and served from both nodes", func(t *testing.T) { serves(t, c) })
	t.Run("logs are exported", func(t *testing.T) {
		dir := t.TempDir()
		mkube(t, "export", "logs", dir, "--name", c.name)
		if log, err := os.ReadFile(filepath.Join(dir, worker, "console.log")); err != nil || !strings.Contains(string(log), "Machine booted and ready!") {
			t.Errorf("the console of %s is %d bytes, %v", worker, len(log), err)
		}
	})
	t.Run("a cluster that was stopped and started is the same", func(t *testing.T) {
		mkube(t, "stop", "cluster", "--name", c.name)
		r := try(t, "", "kubectl", "--name", c.name, "--", "get", "nodes")
		if r.code != 1 || !strings.Contains(r.stderr, "mkube start cluster") {
			t.Errorf("a cluster that is stopped: %s", r)
		}
		mkube(t, "start", "cluster", "--name", c.name, "--wait", "10m", "--progress", "plain")
		answer(t, c, nodePorts...)
	})
	t.Run("nothing is left of a cluster that was deleted", func(t *testing.T) {
		mkube(t, "delete", "cluster", "--name", c.name)
		wantNoMachine(t, ctx, c.name)
	})
}

// serves runs a pod of a loaded image on each node and sends requests to their Service.
func serves(t *testing.T, c cluster) {
	loadWeb(t, c)
	c.apply(t, `
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      tolerations: [{operator: Exists}]
      containers: [{name: web, image: `+webImage+`, imagePullPolicy: Never}]
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  type: NodePort
  selector: {app: web}
  ports: [{port: 80, nodePort: 30080}]
`, "apply", "-f", "-")
	c.kubectl(t, "rollout", "status", "daemonset/web", "--timeout=4m")
	addresses := strings.Fields(c.kubectl(t, "get", "pods", "--selector", "app=web", "-o", "jsonpath={.items[*].status.podIP}"))
	if len(addresses) != 2 {
		t.Fatalf("the pods have the addresses %q", addresses)
	}
	answer(t, c, append(addresses, nodePorts...)...)
	eventually(t, "a name resolves in a pod", func() (bool, string) {
		r := try(t, "", "kubectl", "--name", c.name, "--", "exec", "daemonset/web", "--", "nslookup", "web.default.svc.cluster.local")
		return r.code == 0, r.String()
	})
}

// nodePorts are the addresses of the Service on the nodes.
var nodePorts = []string{"192.168.50.4:30080", "192.168.50.11:30080"}

// answer requests pages from web servers at some addresses from each node, for some minutes.
func answer(t *testing.T, c cluster, addresses ...string) {
	t.Helper()
	const script = `for address; do
  for i in $(seq 60); do
    said=$(curl --silent --show-error --fail --max-time 10 --output /dev/null "http://$address" 2>&1) && continue 2
    sleep 2
  done
  echo "$address: $said"
  exit 1
done`
	for _, node := range []string{master, worker} {
		args := append([]string{"exec", node, "--name", c.name, "--", "sh", "-c", script, "sh"}, addresses...)
		if r := try(t, "", args...); r.code != 0 {
			t.Errorf("from %s: %s", node, r)
		}
	}
}

// leavesNothingWhenInterrupted presses Ctrl-C while a machine boots.
func leavesNothingWhenInterrupted(t *testing.T, ctx context.Context) {
	const name = "e2e-interrupted"
	cmd := exec.CommandContext(ctx, *mkubePath, "create", "cluster", "--name", name, "--provider", "vagrant", "--vagrant-provider", "libvirt",
		"--box", testBox, "--progress", "plain")
	var said strings.Builder
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { remove(t, name) })
	log := filepath.Join(os.Getenv("XDG_DATA_HOME"), "mkube", "vagrant", name, "vagrant.log")
	eventually(t, "a machine begins to boot", func() (bool, string) {
		data, _ := os.ReadFile(log)
		return strings.Contains(string(data), "Starting domain"), string(data)
	})
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); cmd.ProcessState.ExitCode() != 130 {
		t.Errorf("mkube that was interrupted: %v\n%s", err, said.String())
	}
	wantNoMachine(t, ctx, name)
}

// wantNoMachine checks that a cluster has left no machine, network or volume.
func wantNoMachine(t *testing.T, ctx context.Context, name string) {
	t.Helper()
	for _, list := range [][]string{{"list", "--all", "--name"}, {"net-list", "--all", "--name"}, {"vol-list", "default"}} {
		if out := virsh(t, ctx, list...); strings.Contains(out, name) {
			t.Errorf("%s has some of %s:\n%s", list[0], name, out)
		}
	}
	if _, err := os.Stat(filepath.Join(os.Getenv("XDG_DATA_HOME"), "mkube", "vagrant", name)); !os.IsNotExist(err) {
		t.Errorf("the folder of %s is left: %v", name, err)
	}
	if names := mkube(t, "get", "clusters"); strings.Contains(names, name) {
		t.Errorf("%s is listed", name)
	}
}

// plainVagrant runs vagrant as any user would, in the folder of a cluster.
func plainVagrant(t *testing.T, ctx context.Context, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(ctx, "vagrant", args...)
	cmd.Dir = filepath.Join(os.Getenv("XDG_DATA_HOME"), "mkube", "vagrant", name)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("vagrant %q: %v\n%s", args, err, out)
	}
	return string(out)
}
