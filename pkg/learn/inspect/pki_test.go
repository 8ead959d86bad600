package inspect_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/learn/inspect"
	"github.com/mkube/mkube/pkg/pki"
	"github.com/mkube/mkube/pkg/provider"
)

var now = time.Date(2026, 8, 1, 12, 0, 0, 0, time.UTC)

// machine is a node that only returns its files.
type machine struct {
	provider.Node // for the methods that no test needs
	name          string
	role          config.Role
	files         map[string][]byte
	err           error
}

func (m *machine) Name() string      { return m.name }
func (m *machine) Role() config.Role { return m.role }
func (m *machine) Run(_ context.Context, cmd provider.Cmd) error {
	if m.err != nil {
		return m.err
	}
	if cmd.Args[0] != "sh" {
		return fmt.Errorf("it runs %q", cmd.Args)
	}
	var files []provider.File
	for path, data := range m.files {
		files = append(files, provider.File{Path: path, Data: data})
	}
	return provider.Archive(cmd.Stdout, files)
}

// keys creates the files on nodes.
type keys struct {
	*testing.T
	cluster, etcd *pki.Authority
	private, pub  []byte
}

func newKeys(t *testing.T) keys {
	t.Helper()
	k := keys{T: t, cluster: authority(t, "kubernetes"), etcd: authority(t, "etcd-ca")}
	var err error
	if k.private, k.pub, err = pki.NewServiceAccountKey(); err != nil {
		t.Fatal(err)
	}
	return k
}

func authority(t *testing.T, name string) *pki.Authority {
	t.Helper()
	a, err := pki.NewAuthority(name, now)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func (k keys) issue(from *pki.Authority, name string, usage pki.Usage, more ...func(*pki.Request)) pki.KeyPair {
	k.Helper()
	r := pki.Request{CommonName: name, Usage: usage, Now: now}
	if usage != pki.Client {
		r.DNSNames, r.IPs = []string{"localhost"}, []netip.Addr{netip.MustParseAddr("10.89.0.2")}
	}
	for _, f := range more {
		f(&r)
	}
	pair, err := from.Issue(r)
	if err != nil {
		k.Fatal(err)
	}
	return pair
}

func kubeconfig(ca []byte, pair pki.KeyPair) []byte {
	code := base64.StdEncoding.EncodeToString
	return fmt.Appendf(nil, "clusters: [{cluster: {certificate-authority-data: %s}}]\nusers: [{user: {client-certificate-data: %s, client-key-data: %s}}]\n",
		code(ca), code(pair.Cert), code(pair.Key))
}

// healthy returns a control plane, a worker, and a load balancer, which has no certificates.
func (k keys) healthy() []provider.Node {
	ca := k.cluster.CertPEM()
	admin := k.issue(k.cluster, "kubernetes-admin", pki.Client, func(r *pki.Request) { r.Organizations = []string{"system:masters"} })
	server := k.issue(k.cluster, "kube-apiserver", pki.Server)
	etcd := k.issue(k.etcd, "etcd", pki.Peer)
	worker := k.issue(k.cluster, "system:node:w", pki.Client)
	return []provider.Node{
		&machine{name: "c", role: config.ControlPlane, files: map[string][]byte{
			"/etc/kubernetes/pki/ca.crt": ca, "/etc/kubernetes/pki/ca.key": k.cluster.KeyPEM(),
			"/etc/kubernetes/pki/etcd/ca.crt":   k.etcd.CertPEM(),
			"/etc/kubernetes/pki/apiserver.crt": server.Cert, "/etc/kubernetes/pki/apiserver.key": server.Key,
			"/etc/kubernetes/pki/etcd/server.crt": etcd.Cert, "/etc/kubernetes/pki/etcd/server.key": etcd.Key,
			"/etc/kubernetes/pki/etcd/peer.crt": etcd.Cert, "/etc/kubernetes/pki/etcd/peer.key": etcd.Key,
			"/etc/kubernetes/pki/sa.key": k.private, "/etc/kubernetes/pki/sa.pub": k.pub,
			"/etc/kubernetes/admin.conf":          kubeconfig(ca, admin),
			"/etc/kubernetes/manifests/etcd.yaml": []byte("no certificate"),
			"/etc/mkube/pki/ca.crt":               ca, "/etc/mkube/pki/sa.key": k.private,
			"/var/lib/kubelet/pki/kubelet-client.pem": append(server.Key, server.Cert...),
		}},
		&machine{name: "w", role: config.Worker, files: map[string][]byte{
			"/etc/kubernetes/pki/ca.crt": ca, "/etc/kubernetes/kubelet.conf": kubeconfig(ca, worker),
		}},
		&machine{name: "lb", role: config.LoadBalancer, err: errors.New("it is asked")},
	}
}

// broken returns two control planes with each known problem.
func (k keys) broken() []provider.Node {
	ca := k.cluster.CertPEM()
	old := k.issue(k.cluster, "old", pki.Client, func(r *pki.Request) { r.Validity = time.Hour })
	early := k.issue(k.cluster, "early", pki.Client, func(r *pki.Request) { r.Now = now.AddDate(0, 1, 0) })
	server := k.issue(k.cluster, "kube-apiserver", pki.Server)
	other := authority(k.T, "kubernetes")
	stranger := k.issue(authority(k.T, "kubernetes"), "system:kube-scheduler", pki.Client)
	private, pub, err := pki.NewServiceAccountKey()
	if err != nil {
		k.Fatal(err)
	}
	return []provider.Node{
		&machine{name: "c", role: config.ControlPlane, files: map[string][]byte{
			"/etc/kubernetes/pki/ca.crt": ca, "/etc/kubernetes/pki/ca.key": other.KeyPEM(),
			"/etc/kubernetes/pki/etcd/peer.crt": server.Cert, "/etc/kubernetes/pki/etcd/peer.key": old.Key,
			"/etc/kubernetes/pki/front-proxy-client.crt": old.Cert,
			"/etc/kubernetes/pki/apiserver.crt":          []byte("no certificate"),
			"/etc/kubernetes/scheduler.conf":             kubeconfig(other.CertPEM(), stranger),
			"/etc/kubernetes/admin.conf":                 kubeconfig(ca, pki.KeyPair{Cert: early.Cert, Key: old.Key}),
			"/etc/kubernetes/kubelet.conf":               []byte("users: nobody"),
			"/etc/kubernetes/pki/sa.key":                 k.private, "/etc/kubernetes/pki/sa.pub": pub,
		}},
		&machine{name: "c2", role: config.ControlPlane, files: map[string][]byte{
			"/etc/kubernetes/pki/sa.key": private, "/etc/kubernetes/pki/sa.pub": []byte("no key"),
		}},
		&machine{name: "off", role: config.ControlPlane, err: errors.New("node off is not running")},
	}
}

func TestCertificates(t *testing.T) {
	t.Parallel()
	found, unread, err := inspect.Certificates(t.Context(), newKeys(t).healthy(), now)
	if err != nil || len(unread) > 0 {
		t.Fatal(unread, err)
	}
	golden(t, "pki-healthy.golden", found.Text(now))
	if n := found.Warnings(); n != 0 {
		t.Errorf("%d warnings", n)
	}
}

func TestCertificatesBroken(t *testing.T) {
	t.Parallel()
	later := now.AddDate(0, 0, 3)
	found, unread, err := inspect.Certificates(t.Context(), newKeys(t).broken(), later)
	if err != nil || len(unread) != 1 || unread[0].Error() != "reading the certificates of off: node off is not running" {
		t.Errorf("unread are %v, %v", unread, err)
	}
	golden(t, "pki-broken.golden", found.Text(later))
}

// TestCertificatesShowNoKey checks that no output contains a private key.
func TestCertificatesShowNoKey(t *testing.T) {
	t.Parallel()
	k := newKeys(t)
	nodes := k.healthy()
	found, _, err := inspect.Certificates(t.Context(), nodes, now)
	if err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(found)
	if err != nil {
		t.Fatal(err)
	}
	all := string(data) + found.Text(now)
	for path, file := range nodes[0].(*machine).files {
		if !strings.HasSuffix(path, ".key") {
			continue
		}
		for line := range strings.Lines(string(file)) {
			if line = strings.TrimSpace(line); strings.Contains(all, line) {
				t.Errorf("a line of %s is shown: %s", path, line)
			}
		}
	}
}

func TestCertificatesOfNoNode(t *testing.T) {
	t.Parallel()
	nodes := []provider.Node{&machine{name: "c", err: errors.New("it is off")}, &machine{name: "w", err: errors.New("so is it")}}
	_, _, err := inspect.Certificates(t.Context(), nodes, now)
	if want := "reading the certificates of c: it is off\nreading the certificates of w: so is it"; err == nil || err.Error() != want {
		t.Errorf("got %v; want %s", err, want)
	}
}

// TestValidity checks that the validity is that of certificates at known paths only.
func TestValidity(t *testing.T) {
	t.Parallel()
	k := newKeys(t)
	nodes := k.healthy()
	mine := k.issue(k.cluster, "mine", pki.Client, func(r *pki.Request) { r.Validity = time.Hour })
	nodes[0].(*machine).files["/etc/kubernetes/pki/mine.crt"] = mine.Cert
	for _, days := range []int{365, 100} {
		short := k.issue(k.cluster, "system:kube-proxy", pki.Client, func(r *pki.Request) { r.Validity = time.Duration(days) * 24 * time.Hour })
		nodes[1].(*machine).files["/etc/kubernetes/kube-proxy.conf"] = kubeconfig(k.cluster.CertPEM(), short)
		found, _, err := inspect.Certificates(t.Context(), nodes, now)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := found.Validity(), (pki.Validity{NotBefore: now.Add(-5 * time.Minute), NotAfter: now.AddDate(0, 0, days)}); got != want {
			t.Errorf("got %v; want %v", got, want)
		}
	}
	found, unread, err := inspect.Certificates(t.Context(), nil, now)
	if err != nil || len(unread) > 0 || found.Validity() != (pki.Validity{}) {
		t.Errorf("of no nodes: %v, %v, %v", found.Validity(), unread, err)
	}
}
