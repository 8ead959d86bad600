//go:build e2e

package e2e

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/yaml"
)

func TestTwoClustersLiveSideBySide(t *testing.T) {
	t.Parallel()
	one := create(t, "e2e-one", "")
	two := create(t, "e2e-two", "apiVersion: mkube.dev/v1alpha1\nkind: Cluster\nnetworking:\n  kubeProxyMode: iptables\n  dnsDomain: e2e.local\n  serviceSubnet: 10.97.0.0/16\n")
	one.kubectl(t, "create", "configmap", "only-in-one")
	if r := try(t, "", "kubectl", "--name", two.name, "--", "get", "configmap", "only-in-one"); r.code == 0 {
		t.Errorf("the other cluster has it too: %s", r)
	}
	t.Run("both are listed", func(t *testing.T) {
		out := mkube(t, "get", "clusters")
		if !strings.Contains(out, one.name) || !strings.Contains(out, two.name) {
			t.Error(out)
		}
	})
	t.Run("both are in the kubeconfig, the newer is current", func(t *testing.T) {
		data, err := os.ReadFile(os.Getenv("KUBECONFIG"))
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"name: mkube-e2e-one", "name: mkube-e2e-two", "current-context: mkube-e2e-two"} {
			if !strings.Contains(string(data), want) {
				t.Errorf("no %q in the kubeconfig", want)
			}
		}
		if info, err := os.Stat(os.Getenv("KUBECONFIG")); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("mode %v, %v", info.Mode(), err)
		}
	})
	t.Run("iptables, another DNS domain and service subnet hold", func(t *testing.T) {
		loadWeb(t, two)
		two.apply(t, manifest(t, "web.yaml"), "apply", "-f", "-")
		two.kubectl(t, "rollout", "status", "deployment/web", "--timeout=180s")
		eventually(t, "a pod reaches a Service by name", func() (bool, string) {
			r := try(t, "", "kubectl", "--name", two.name, "--", "exec", "deployment/web", "--", "nslookup", "web.default.svc.e2e.local")
			return strings.Contains(r.stdout, "Address: 10.97."), r.String()
		})
		address := two.kubectl(t, "get", "service", "web", "-o", "jsonpath={.spec.clusterIP}")
		eventually(t, "the Service answers", func() (bool, string) {
			r := two.sh(t, "curl --silent --show-error --max-time 2 http://"+address)
			return r.code == 0, r.String()
		})
		if r := two.sh(t, "iptables-save --table nat | grep -c KUBE-SVC"); r.code != 0 {
			t.Errorf("kube-proxy made no iptables rules: %s", r)
		}
	})
	t.Run("an archive is loaded, from a file and from standard input", func(t *testing.T) { loadArchive(t, one) })
	t.Run("archives of all kinds are loaded", func(t *testing.T) { loadArchives(t, one) })
	t.Run("a kubeconfig that was lost is written again", func(t *testing.T) { exportKubeconfig(t, one) })
	t.Run("logs are exported", func(t *testing.T) { exportLogs(t, one) })
	t.Run("a kubeconfig for inside the network names the node's address", func(t *testing.T) {
		var config struct {
			Clusters []struct{ Cluster struct{ Server string } }
		}
		if err := yaml.Unmarshal([]byte(mkube(t, "get", "kubeconfig", "--internal", "--name", one.name)), &config); err != nil {
			t.Fatal(err)
		}
		if server := config.Clusters[0].Cluster.Server; !strings.HasSuffix(server, ":6443") || strings.Contains(server, "127.0.0.1") {
			t.Error(server)
		}
	})
}

func loadArchive(t *testing.T, c cluster) {
	buildWeb(t)
	archive, err := daemon.ImageSave(t.Context(), []string{webImage})
	if err != nil {
		t.Fatal(err)
	}
	defer archive.Close()
	file := filepath.Join(t.TempDir(), "web.tar")
	data, err := io.ReadAll(archive)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, data, 0o644); err != nil {
		t.Fatal(err)
	}
	loads := func(stdin, archive string) {
		t.Helper()
		try(t, stdin, "load", "archive", archive, "--name", c.name).wants(t, 0)
		if r := c.sh(t, "crictl images --quiet docker.io/"+webImage); strings.TrimSpace(r.stdout) == "" {
			t.Errorf("the image is not on the node: %s", r)
		}
	}
	loads("", file)
	if r := c.sh(t, "crictl rmi docker.io/"+webImage); r.code != 0 {
		t.Fatal(r)
	}
	loads(string(data), "-")
}

// exportKubeconfig writes a cluster's entry to a file that does not exist, and uses it.
func exportKubeconfig(t *testing.T, c cluster) {
	file := filepath.Join(t.TempDir(), "new", "config")
	mkube(t, "export", "kubeconfig", "--name", c.name, "--kubeconfig", file)
	entry, err := clientcmd.BuildConfigFromFlags("", file)
	if err != nil {
		t.Fatal(err)
	}
	client, err := rest.HTTPClientFor(entry)
	if err != nil {
		t.Fatal(err)
	}
	response, err := client.Get(entry.Host + "/version")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if body, err := io.ReadAll(response.Body); err != nil || !strings.Contains(string(body), `"gitVersion": "v1.37.2"`) {
		t.Errorf("by that file the server says %s, %v", body, err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file is %v, %v", info, err)
	}
}

func exportLogs(t *testing.T, c cluster) {
	const secret = "e2e-planted-secret"
	c.kubectl(t, "run", "planted", "--image=example.com/planted:1", "--env=PASSWORD="+secret)
	c.kubectl(t, "create", "secret", "generic", "planted", "--from-literal=password="+secret)
	dir := strings.TrimSpace(mkube(t, "export", "logs", filepath.Join(t.TempDir(), "logs"), "--name", c.name))
	c.kubectl(t, "delete", "pod/planted", "secret/planted", "--grace-period=0", "--force")
	if out, err := exec.Command("grep", "-rlE", secret+"|BEGIN .*PRIVATE KEY", dir).Output(); len(out) > 0 || err == nil {
		t.Errorf("files with secrets: %s", out)
	}
	if out, err := exec.Command("grep", "-r", "-A1", "name: PASSWORD", dir).Output(); err != nil || !bytes.Contains(out, []byte("value: REDACTED")) {
		t.Errorf("the variable of the pod is %s, %v", out, err)
	}
	if out, err := exec.Command("find", dir, "-type", "f", "!", "-perm", "600", "-o", "-type", "d", "!", "-perm", "700").Output(); len(out) > 0 || err != nil {
		t.Errorf("others may read %s, %v", out, err)
	}
	out, err := exec.Command("grep", "-rl", "Started kubelet", dir).Output()
	if err != nil || !bytes.Contains(out, []byte(c.name+"-control-plane")) {
		t.Errorf("no kubelet log below %s: %v\n%s", dir, err, out)
	}
}
