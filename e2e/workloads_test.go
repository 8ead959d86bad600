//go:build e2e

package e2e

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
)

func manifest(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

const portMapped = `
apiVersion: mkube.dev/v1alpha1
kind: Cluster
nodes:
- role: control-plane
  labels: {tier: front}
  extraPortMappings:
  - containerPort: 30080
    hostPort: 0
`

// TestCluster creates one cluster and uses it as its users do.
func TestCluster(t *testing.T) {
	t.Parallel()
	c := create(t, "e2e", portMapped)
	t.Run("its node is Ready and says which Kubernetes it runs", func(t *testing.T) {
		nodes := c.kubectl(t, "get", "nodes", "--no-headers")
		if !strings.Contains(nodes, " Ready ") || !strings.Contains(nodes, "control-plane") || !strings.Contains(nodes, "v1.37.2") {
			t.Error(nodes)
		}
		if labels := c.kubectl(t, "get", "nodes", "-o", "jsonpath={.items[*].metadata.labels.tier}"); labels != "front" {
			t.Errorf("label tier is %q", labels)
		}
	})
	t.Run("every pod of the system is Ready", func(t *testing.T) { everyPodReady(t, c) })
	t.Run("a Deployment answers through a Service, a NodePort and a port mapping", func(t *testing.T) { deployment(t, c) })
	t.Run("a pod resolves the API server's name", func(t *testing.T) {
		out := c.kubectl(t, "exec", "deployment/web", "--", "nslookup", "kubernetes.default.svc.cluster.local")
		if !strings.Contains(out, "10.96.0.1") {
			t.Error(out)
		}
	})
	t.Run("logs, exec and port-forward work", func(t *testing.T) { streams(t, c) })
	t.Run("a CustomResourceDefinition and an object of it can be applied", func(t *testing.T) {
		c.apply(t, manifest(t, "crd.yaml"), "apply", "-f", "-")
		c.kubectl(t, "wait", "--for=condition=Established", "--timeout=180s", "crd/lessons.e2e.mkube.dev")
		c.apply(t, manifest(t, "lesson.yaml"), "apply", "-f", "-")
		if out := c.kubectl(t, "get", "lessons", "-o", "jsonpath={.items[*].spec.title}"); out != "etcd" {
			t.Errorf("the object says %q", out)
		}
	})
	t.Run("a Job completes", func(t *testing.T) {
		c.apply(t, manifest(t, "job.yaml"), "apply", "-f", "-")
		c.kubectl(t, "wait", "--for=condition=Complete", "--timeout=180s", "job/count")
		if out := c.kubectl(t, "logs", "job/count"); out != "1\n2\n3\n" {
			t.Errorf("it printed %q", out)
		}
	})
	t.Run("a killed container comes back", func(t *testing.T) { comesBack(t, c) })
	t.Run("only health checks are answered without a name", func(t *testing.T) { anonymous(t, c) })
	t.Run("only etcd's own clients may speak to etcd", func(t *testing.T) { etcdIsClosed(t, c) })
	t.Run("the cluster survives a restart of its node, and policies hold while it boots", func(t *testing.T) {
		hold := leaving(t, c, "web")
		restart(t, c)
		hold(t)
	})
	t.Run("a cluster that was stopped is as it was when it is started", func(t *testing.T) { stopAndStart(t, c) })
}

func everyPodReady(t *testing.T, c cluster) {
	t.Helper()
	eventually(t, "the pods of kube-system are Ready", func() (bool, string) {
		out := c.kubectl(t, "get", "pods", "-n", "kube-system", "--no-headers")
		lines := strings.Split(strings.TrimSpace(out), "\n")
		for _, line := range lines {
			if !strings.Contains(line, "1/1") {
				return false, out
			}
		}
		return len(lines) >= 6, out
	})
}

func deployment(t *testing.T, c cluster) {
	served(t, c)
	mapped := "http://" + published(t, c.name+"-control-plane", "30080/tcp")
	eventually(t, "the port mapping answers", func() (bool, string) { return get(mapped) })
}

// served checks that a Deployment answers through its Service.
func served(t *testing.T, c cluster) {
	t.Helper()
	loadWeb(t, c)
	c.apply(t, manifest(t, "web.yaml"), "apply", "-f", "-")
	c.kubectl(t, "rollout", "status", "deployment/web", "--timeout=180s")
	address := c.kubectl(t, "get", "service", "web", "-o", "jsonpath={.spec.clusterIP}")
	for name, url := range map[string]string{"the ClusterIP": "http://" + address, "the NodePort": "http://127.0.0.1:30080"} {
		if name == "the NodePort" {
			url = "http://$(hostname -i):30080"
		}
		eventually(t, name+" answers", func() (bool, string) {
			r := c.sh(t, "curl --silent --show-error --max-time 2 "+url)
			return strings.Contains(r.stdout, "Welcome to nginx!"), r.String()
		})
	}
}

func get(url string) (ok bool, answer string) {
	response, err := http.Get(url)
	if err != nil {
		return false, err.Error()
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return err == nil && strings.Contains(string(body), "Welcome to nginx!"), fmt.Sprint(response.Status, string(body), err)
}

func streams(t *testing.T, c cluster) {
	if out := c.kubectl(t, "exec", "deployment/web", "--", "sh", "-c", "echo hello"); out != "hello\n" {
		t.Errorf("exec printed %q", out)
	}
	if out := c.apply(t, "through\n", "exec", "-i", "deployment/web", "--", "cat"); out != "through\n" {
		t.Errorf("exec with input printed %q", out)
	}
	eventually(t, "the log shows the requests", func() (bool, string) {
		out := c.kubectl(t, "logs", "--selector=app=web", "--tail=-1")
		return strings.Contains(out, "GET / HTTP/1.1"), out
	})
	r := c.sh(t, `kubectl port-forward deployment/web 18080:80 >/tmp/forward 2>&1 &
trap "kill $!" EXIT
for i in $(seq 100); do curl --silent --max-time 2 http://127.0.0.1:18080 && exit; sleep 0.1; done; cat /tmp/forward; exit 1`)
	if r.code != 0 || !strings.Contains(r.stdout, "Welcome to nginx!") {
		t.Errorf("port-forward: %s", r)
	}
}

func comesBack(t *testing.T, c cluster) {
	r := c.sh(t, `crictl stop --timeout 0 $(crictl ps --quiet --name '^web$' | head -n 1)`)
	if r.code != 0 {
		t.Fatal(r)
	}
	eventually(t, "the kubelet restarts it", func() (bool, string) {
		out := c.kubectl(t, "get", "pods", "-l", "app=web", "-o", `jsonpath={range .items[*]}{.status.containerStatuses[0].restartCount}{.status.containerStatuses[0].ready} {end}`)
		return strings.Contains(out, "1true") && strings.Contains(out, "0true"), out
	})
}

func anonymous(t *testing.T, c cluster) {
	for path, want := range map[string]string{"/readyz": "200", "/livez": "200", "/version": "401", "/api": "401", "/api/v1/namespaces": "401"} {
		r := c.sh(t, "curl --silent --insecure --output /dev/null --write-out '%{http_code}' https://127.0.0.1:6443"+path)
		if r.stdout != want {
			t.Errorf("%s answers %s, want %s", path, r.stdout, want)
		}
	}
	if r := c.sh(t, "curl --silent --insecure --output /dev/null --write-out '%{http_code}' https://127.0.0.1:10250/pods"); r.stdout != "401" {
		t.Errorf("the kubelet answers %s to who has no name, want 401", r.stdout)
	}
}

func etcdIsClosed(t *testing.T, c cluster) {
	if r := c.sh(t, "curl --silent --insecure --max-time 3 https://127.0.0.1:2379/health"); r.code == 0 {
		t.Errorf("etcd answers who has no certificate: %s", r)
	}
	pki := "/etc/kubernetes/pki/"
	if r := c.sh(t, "curl --silent --insecure --max-time 3 --cert "+pki+"apiserver-kubelet-client.crt --key "+pki+"apiserver-kubelet-client.key https://127.0.0.1:2379/health"); r.code == 0 {
		t.Errorf("etcd answers a certificate of another authority: %s", r)
	}
	if r := c.sh(t, "curl --silent --max-time 3 --cacert "+pki+"etcd/ca.crt --cert "+pki+"apiserver-etcd-client.crt --key "+pki+"apiserver-etcd-client.key https://127.0.0.1:2379/health"); !strings.Contains(r.stdout, `"health":"true"`) {
		t.Errorf("etcd does not answer its own client: %s", r)
	}
}
