//go:build e2e

package e2e

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/mkube/mkube/internal/testing/aged"
	"github.com/mkube/mkube/pkg/pki"
	"github.com/mkube/mkube/pkg/provider"
	"github.com/mkube/mkube/pkg/provider/docker"
)

// ages makes the certificates of a running cluster as old as those of a cluster that was created
// years ago: those on the nodes, the authority that pods trust, and the key pair of metrics-server.
// It restarts nothing.
func (c cluster) ages(t *testing.T, planes []string, years int) {
	t.Helper()
	at := time.Now().AddDate(-years, 0, 0)
	for _, n := range planes { // otherwise, it restores the ConfigMaps
		mkube(t, "exec", n, "--", "mv", "/etc/kubernetes/manifests/kube-controller-manager.yaml", "/root/")
		eventually(t, "kube-controller-manager has ended", func() (bool, string) {
			out := mkube(t, "exec", n, "--", "crictl", "ps", "--quiet", "--name", "^kube-controller-manager$")
			return out == "", out
		})
	}
	c.agesObjects(t, at)
	if _, err := aged.Certificates(t.Context(), c.machines(t), at); err != nil {
		t.Fatal(err)
	}
	for _, n := range planes {
		mkube(t, "exec", n, "--", "mv", "/root/kube-controller-manager.yaml", "/etc/kubernetes/manifests/")
	}
}

func (c cluster) machines(t *testing.T) []provider.Node {
	t.Helper()
	nodes, err := docker.New(daemon).Nodes(t.Context(), c.name)
	if err != nil {
		t.Fatal(err)
	}
	return nodes
}

// agesObjects replaces the certificates in the API.
func (c cluster) agesObjects(t *testing.T, at time.Time) {
	t.Helper()
	authority, err := pki.ParseAuthority([]byte(c.sh(t, "cat /etc/mkube/pki/ca.crt").stdout), []byte(c.sh(t, "cat /etc/mkube/pki/ca.key").stdout))
	if err != nil {
		t.Fatal(err)
	}
	if authority, err = authority.Renewed(at); err != nil {
		t.Fatal(err)
	}
	ca, err := json.Marshal(string(authority.CertPEM()))
	if err != nil {
		t.Fatal(err)
	}
	for _, namespace := range strings.Fields(c.kubectl(t, "get", "namespaces", "-o", "jsonpath={.items[*].metadata.name}")) {
		c.kubectl(t, "patch", "configmap", "kube-root-ca.crt", "-n", namespace, "--patch", fmt.Sprintf(`{"data":{"ca.crt":%s}}`, ca))
	}
	if try(t, "", "kubectl", "--name", c.name, "--", "get", "secret", "metrics-server-tls", "-n", "kube-system").code != 0 {
		return
	}
	pair, err := authority.Issue(pki.Request{CommonName: "metrics-server", DNSNames: []string{"metrics-server.kube-system.svc"}, Usage: pki.Server, Now: at})
	if err != nil {
		t.Fatal(err)
	}
	code := base64.StdEncoding.EncodeToString
	c.kubectl(t, "patch", "secret", "metrics-server-tls", "-n", "kube-system", "--patch", fmt.Sprintf(`{"data":{"tls.crt":%q,"tls.key":%q}}`, code(pair.Cert), code(pair.Key)))
	c.kubectl(t, "patch", "apiservice", "v1beta1.metrics.k8s.io", "--type", "merge", "--patch", fmt.Sprintf(`{"spec":{"caBundle":%q}}`, code(authority.CertPEM())))
}

// asUser requests a path of the API server with the user's kubeconfig.
func (c cluster) asUser(t *testing.T, path string) (string, error) {
	t.Helper()
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(
		&clientcmd.ClientConfigLoadingRules{ExplicitPath: os.Getenv("KUBECONFIG")}, &clientcmd.ConfigOverrides{CurrentContext: "mkube-" + c.name}).ClientConfig()
	if err != nil {
		t.Fatal(err)
	}
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		t.Fatal(err)
	}
	response, err := client.Get(config.Host + path)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return string(body), err
}

// renewed matches the expiry of a certificate that was issued today.
var renewed = regexp.MustCompile(`(client|server|peer), expires in 36[45] days`)

// works checks a cluster after its certificates were renewed: the user's kubeconfig, the nodes, what
// the API server requests from kubelets, and a pod that uses the API: CoreDNS learns of a new Service.
func (c cluster) works(t *testing.T, nodes int) {
	t.Helper()
	if body, err := c.asUser(t, "/readyz"); body != "ok" || err != nil {
		t.Errorf("the API server answers %q, %v", body, err)
	}
	eventually(t, "all nodes are Ready", func() (bool, string) {
		out := c.kubectl(t, "get", "nodes", "--no-headers")
		return strings.Count(out, " Ready ") == nodes, out
	})
	everyPodReady(t, c)
	c.kubectl(t, "rollout", "status", "deployment/web", "--timeout=180s")
	service := fmt.Sprintf("new-%d", time.Now().UnixNano())
	c.kubectl(t, "create", "service", "clusterip", service, "--tcp=80")
	address := c.kubectl(t, "get", "service", service, "-o", "jsonpath={.spec.clusterIP}")
	eventually(t, "a new Service has a name", func() (bool, string) {
		r := try(t, "", "kubectl", "--name", c.name, "--", "exec", "deployment/web", "--", "nslookup", service+".default.svc.cluster.local")
		return strings.Contains(r.stdout, address), r.String()
	})
	if out := c.kubectl(t, "logs", "deployment/web", "--tail=1"); out == "" {
		t.Error("there is no log")
	}
	r := try(t, "", "pki", "--name", c.name)
	if r.code != 0 || r.stderr != "" || strings.Contains(r.stdout, "WARNING") || len(renewed.FindAllString(r.stdout, -1)) < 15 {
		t.Errorf("pki: %s", r)
	}
	if r := try(t, "", "get", "nodes", "--name", c.name); r.code != 0 || r.stderr != "" {
		t.Errorf("get nodes: %s", r)
	}
}

// anyAge expires the certificates of a cluster that has the Deployment web and metrics-server.
func anyAge(t *testing.T, c cluster) {
	plane := c.name + "-control-plane"
	t.Run("certificates that have expired are renewed", func(t *testing.T) {
		c.ages(t, []string{plane}, 2)
		remedy := `mkube renew certificates --name ` + c.name + ` issues new ones`
		for _, args := range [][]string{{"get", "nodes"}, {"pki"}} {
			if r := try(t, "", append(args, "--name", c.name)...); r.code != 0 || !strings.Contains(r.stderr, `Warning: certificates of cluster "`+c.name+`" expired on `) || !strings.Contains(r.stderr, remedy) {
				t.Errorf("%s: %s", args, r)
			}
		}
		try(t, "", "kubectl", "--name", c.name, "--", "get", "nodes").wants(t, 1, remedy)
		try(t, "", "tree", "node/"+plane, "--name", c.name).wants(t, 1, remedy)
		try(t, "", "renew", "certificates", "--name", c.name).wants(t, 0, `Cluster "`+c.name+`" has new certificates after `)
		c.works(t, 2)
		topKnowsNodes(t, c)
	})
	t.Run("a cluster whose authorities have expired starts", func(t *testing.T) {
		c.ages(t, []string{plane}, 11)
		try(t, "", "get", "kubeconfig", "--name", c.name).wants(t, 1, `the authority "CN=kubernetes" expired on `, `mkube renew certificates --name `+c.name+` renews it`)
		mkube(t, "stop", "cluster", "--name", c.name)
		mkube(t, "start", "cluster", "--name", c.name, "--progress", "plain")
		c.works(t, 2)
		topKnowsNodes(t, c)
		ca := c.sh(t, "cat /etc/kubernetes/pki/ca.crt").stdout
		if got := c.kubectl(t, "get", "configmap", "kube-root-ca.crt", "-o", `jsonpath={.data.ca\.crt}`); got != ca {
			t.Errorf("pods trust\n%s\nthe authority has\n%s", got, ca)
		}
	})
}

func topKnowsNodes(t *testing.T, c cluster) {
	t.Helper()
	eventually(t, "kubectl top knows the nodes", func() (bool, string) {
		r := try(t, "", "kubectl", "--name", c.name, "--", "top", "nodes", "--no-headers")
		return strings.Contains(r.stdout, c.name+"-worker") && !strings.Contains(r.stdout, "<unknown>"), r.String()
	})
}
