package bootstrap_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"path"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/mkube/mkube/internal/testing/fake"
	"github.com/mkube/mkube/pkg/bootstrap"
	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/learn/inspect"
	"github.com/mkube/mkube/pkg/pki"
)

// issued lists each certificate of a control plane with its authority and its usage. It does not
// list the authorities.
var issued = map[string]struct {
	authority string
	usage     pki.Usage
}{
	"/etc/kubernetes/pki/apiserver.crt":                {"kubernetes", pki.Server},
	"/etc/kubernetes/pki/apiserver-kubelet-client.crt": {"kubernetes", pki.Client},
	"/etc/kubernetes/pki/apiserver-etcd-client.crt":    {"etcd-ca", pki.Client},
	"/etc/kubernetes/pki/front-proxy-client.crt":       {"front-proxy-ca", pki.Client},
	"/etc/kubernetes/pki/etcd/server.crt":              {"etcd-ca", pki.Peer},
	"/etc/kubernetes/pki/etcd/peer.crt":                {"etcd-ca", pki.Peer},
	"/etc/kubernetes/pki/etcd/healthcheck-client.crt":  {"etcd-ca", pki.Client},
	"/var/lib/kubelet/pki/kubelet.crt":                 {"kubernetes", pki.Server},
	"/etc/kubernetes/admin.conf":                       {"kubernetes", pki.Client},
	"/etc/kubernetes/kubelet.conf":                     {"kubernetes", pki.Client},
	"/etc/kubernetes/controller-manager.conf":          {"kubernetes", pki.Client},
	"/etc/kubernetes/scheduler.conf":                   {"kubernetes", pki.Client},
	"/etc/kubernetes/cloud-controller-manager.conf":    {"kubernetes", pki.Client},
	"/etc/kubernetes/kube-proxy.conf":                  {"kubernetes", pki.Client},
	"/etc/kubernetes/kube-network-policies.conf":       {"kubernetes", pki.Client},
}

// TestCertificates checks that each certificate verifies against its own authority and for its own
// usage, and for no other.
func TestCertificates(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	c, err := r.CreateCluster(t.Context(), config.Cluster{}, bootstrap.Options{Wait: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	authorities := map[string]*x509.CertPool{}
	for name, authority := range map[string]*pki.Authority{"kubernetes": c.PKI.Cluster, "etcd-ca": c.PKI.Etcd, "front-proxy-ca": c.PKI.FrontProxy} {
		authorities[name] = x509.NewCertPool()
		authorities[name].AppendCertsFromPEM(authority.CertPEM())
	}
	usages := map[pki.Usage]map[x509.ExtKeyUsage]bool{
		pki.Server: {x509.ExtKeyUsageServerAuth: true},
		pki.Client: {x509.ExtKeyUsageClientAuth: true},
		pki.Peer:   {x509.ExtKeyUsageServerAuth: true, x509.ExtKeyUsageClientAuth: true},
	}
	seen := 0
	for name, pair := range pairs(t, c.Nodes[0].(*fake.Node)) {
		want, known := issued[name]
		if !known {
			t.Errorf("%s is a certificate that this test does not know", name)
			continue
		}
		seen++
		for authority, pool := range authorities {
			for _, usage := range []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth} {
				_, err := pair.Leaf.Verify(x509.VerifyOptions{Roots: pool, KeyUsages: []x509.ExtKeyUsage{usage}})
				if good := authority == want.authority && usages[want.usage][usage]; good != (err == nil) {
					t.Errorf("%s, by %s, for usage %d: %v", name, authority, usage, err)
				}
			}
		}
	}
	if seen != len(issued) {
		t.Errorf("%d certificates were found; want %d", seen, len(issued))
	}
}

var data = regexp.MustCompile(`client-(certificate|key)-data: (\S+)`)

// pairs returns the certificates of a node with their keys, by path. It omits the authorities.
func pairs(t *testing.T, n *fake.Node) map[string]tls.Certificate {
	t.Helper()
	list := map[string]tls.Certificate{}
	files := n.Files()
	for name, f := range files {
		cert, key := f.Data, files[strings.TrimSuffix(name, ".crt")+".key"].Data
		switch {
		case path.Ext(name) == ".conf":
			parts := map[string][]byte{}
			for _, m := range data.FindAllSubmatch(f.Data, -1) {
				decoded, err := base64.StdEncoding.DecodeString(string(m[2]))
				if err != nil {
					t.Fatal(err)
				}
				parts[string(m[1])] = decoded
			}
			cert, key = parts["certificate"], parts["key"]
		case path.Ext(name) != ".crt" || strings.HasSuffix(name, "ca.crt") || strings.HasPrefix(name, "/etc/mkube/"):
			continue
		}
		pair, err := tls.X509KeyPair(cert, key)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if rest, _ := pem.Decode(cert); rest == nil {
			t.Errorf("%s is no PEM", name)
		}
		list[name] = pair
	}
	return list
}

// TestEveryPurpose checks that inspect knows the paths of all certificates of a cluster.
func TestEveryPurpose(t *testing.T) {
	t.Parallel()
	found, _, err := inspect.Certificates(t.Context(), up(t, workers).nodes(t), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if len(found.Authorities) != 3 || len(found.Strangers) != 0 {
		t.Errorf("%d authorities, %d strangers", len(found.Authorities), len(found.Strangers))
	}
	for _, a := range found.Authorities {
		if len(a.Signed) == 0 {
			t.Errorf("%s has signed nothing", a.Name)
		}
		for _, cert := range append(a.Signed, a) {
			if len(cert.Purposes) == 0 {
				t.Errorf("the purpose of %s in %s is not known", cert.Name, cert.Files[0].Path)
			}
		}
	}
}
