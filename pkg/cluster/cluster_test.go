package cluster_test

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/mkube/mkube/internal/testing/componenttest"
	"github.com/mkube/mkube/pkg/cluster"
	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/pki"
	"github.com/mkube/mkube/pkg/provider"
)

func three(t *testing.T) *cluster.Cluster {
	return componenttest.Cluster(t, config.Cluster{Name: "c", Nodes: []config.Node{
		{Role: config.Worker, Labels: map[string]string{"a": "b"}}, {}, {},
	}})
}

func namesOf(nodes []provider.Node) (list []string) {
	for _, n := range nodes {
		list = append(list, n.Name())
	}
	return list
}

func TestNodes(t *testing.T) {
	t.Parallel()
	c := three(t)
	all := []string{"c-worker", "c-control-plane", "c-control-plane2"}
	if lb := c.LoadBalancer(); lb == nil || lb.Name() != "c-external-load-balancer" {
		t.Errorf("LoadBalancer = %v", lb)
	}
	if got := namesOf(c.KubernetesNodes()); !slices.Equal(got, all) {
		t.Errorf("KubernetesNodes = %q; want %q", got, all)
	}
	if got := namesOf(c.ControlPlanes()); !slices.Equal(got, all[1:]) {
		t.Errorf("ControlPlanes = %q; want %q", got, all[1:])
	}
	for i, want := range []string{"https://10.89.0.5:6443", "https://10.89.0.3:6443", "https://10.89.0.4:6443"} {
		n := c.Nodes[i]
		if got := c.Server(n); got != want {
			t.Errorf("Server(%s) = %s; want %s", n.Name(), got, want)
		}
		if got, want := fmt.Sprint(c.PodCIDRs(n)), fmt.Sprintf("[10.244.%d.0/24]", i); got != want {
			t.Errorf("PodCIDRs(%s) = %s; want %s", n.Name(), got, want)
		}
	}
	if got := c.Spec(c.Nodes[0]).Labels["a"]; got != "b" {
		t.Errorf("Spec(%s) has the label %q; want b", c.Nodes[0].Name(), got)
	}
}

func TestExternalServer(t *testing.T) {
	t.Parallel()
	if got, err := three(t).ExternalServer(t.Context()); got != (cluster.External{URL: "https://10.89.0.5:6443"}) || err != nil {
		t.Errorf("ExternalServer = %s, %v; want the load balancer's", got, err)
	}
	none := componenttest.Cluster(t, config.Cluster{Name: "w", Nodes: []config.Node{{Role: config.Worker}}})
	if _, err := none.ExternalServer(t.Context()); fmt.Sprint(err) != "cluster w has no control plane" {
		t.Errorf("ExternalServer = %v", err)
	}
}

// elsewhere is a node with ports that are reached at another endpoint.
type elsewhere struct {
	provider.Node
	endpoint string
}

func (e elsewhere) Endpoint(context.Context, int) (string, error) { return e.endpoint, nil }

// TestServerNameOfTheCertificate checks that the certificate is checked against another name only if it does not
// contain that of the endpoint.
func TestServerNameOfTheCertificate(t *testing.T) {
	t.Parallel()
	at := func(endpoint string) *cluster.Cluster {
		c := three(t)
		c.Nodes = []provider.Node{elsewhere{c.ControlPlanes()[0], endpoint}}
		c.Config.Networking.APIServerAddress = "192.0.2.7"
		c.Config.Networking.APIServerCertSANs = []string{"build.example.com", "2001:db8::7"}
		return c
	}
	for endpoint, name := range map[string]string{
		"127.0.0.1:6443": "", "[::1]:6443": "", "localhost:6443": "",
		"192.0.2.7:6443": "", "build.example.com:6443": "", "[2001:db8::7]:6443": "", three(t).ControlPlanes()[0].IP().String() + ":6443": "",
		"192.0.2.8:6443": "kubernetes", "other.example.com:6443": "kubernetes", "[2001:db8::8]:6443": "kubernetes",
	} {
		got, err := at(endpoint).ExternalServer(t.Context())
		if want := (cluster.External{URL: "https://" + endpoint, TLSServerName: name}); got != want || err != nil {
			t.Errorf("ExternalServer at %s = %+v, %v; want %+v", endpoint, got, err, want)
		}
	}
	if _, err := at("no port").ExternalServer(t.Context()); err == nil {
		t.Error("ExternalServer accepts an endpoint without a port")
	}
}

func TestPKI(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 8, 1, 12, 0, 0, 0, time.UTC)
	keys, err := cluster.NewPKI(now)
	if err != nil {
		t.Fatal(err)
	}
	for want, authority := range map[string]*pki.Authority{
		"CN=kubernetes": keys.Cluster, "CN=etcd-ca": keys.Etcd, "CN=front-proxy-ca": keys.FrontProxy,
	} {
		info, err := pki.Describe(authority.CertPEM())
		if err != nil || info.Subject != want || !info.NotBefore.Before(now) {
			t.Errorf("the authority is %+v, %v; want %s from before %s", info, err, want, now)
		}
	}
	if !bytes.HasPrefix(keys.ServiceAccountKey, []byte("-----BEGIN EC PRIVATE KEY-----")) || !bytes.HasPrefix(keys.ServiceAccountPub, []byte("-----BEGIN PUBLIC KEY-----")) {
		t.Errorf("the service account keys are %.30q and %.30q", keys.ServiceAccountKey, keys.ServiceAccountPub)
	}
}

func TestIssueRemembers(t *testing.T) {
	t.Parallel()
	keys, err := cluster.NewPKI(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	request := pki.Request{CommonName: "a", Organizations: []string{"x", "y"}, Usage: pki.Client}
	first, err := keys.Issue(keys.Cluster, request)
	if err != nil {
		t.Fatal(err)
	}
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			if again, err := keys.Issue(keys.Cluster, request); err != nil || !bytes.Equal(again.Key, first.Key) || !bytes.Equal(again.Cert, first.Cert) {
				t.Errorf("the same request gave another certificate, %v", err)
			}
		})
	}
	wait.Wait()
	for name, other := range map[string]struct {
		from *pki.Authority
		pki.Request
	}{
		"authority": {keys.Etcd, request},
		"name":      {keys.Cluster, pki.Request{CommonName: "b", Organizations: []string{"x", "y"}, Usage: pki.Client}},
		"groups":    {keys.Cluster, pki.Request{CommonName: "a", Organizations: []string{"x y"}, Usage: pki.Client}},
		"usage":     {keys.Cluster, pki.Request{CommonName: "a", Organizations: []string{"x", "y"}, Usage: pki.Peer, DNSNames: []string{"n"}}},
	} {
		if pair, err := keys.Issue(other.from, other.Request); err != nil || bytes.Equal(pair.Cert, first.Cert) {
			t.Errorf("another %s gave the same certificate, %v", name, err)
		}
	}
	if _, err := keys.Issue(keys.Cluster, pki.Request{}); err == nil {
		t.Error("an empty request is no error")
	}
	if _, err := keys.Issue(keys.Cluster, pki.Request{}); err == nil {
		t.Error("an empty request is no error the second time")
	}
}

func TestAdmin(t *testing.T) {
	t.Parallel()
	keys, err := cluster.NewPKI(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	pair, err := keys.Admin()
	if err != nil {
		t.Fatal(err)
	}
	info, err := pki.Describe(pair.Cert)
	if err != nil || info.Subject != "CN=kubernetes-admin,O=system:masters" || info.Issuer != "CN=kubernetes" {
		t.Errorf("the administrator is %+v, %v", info, err)
	}
}

// TestDerive checks that keys differ by purpose and by cluster, and that commands on a cluster
// that another command created derive the same key.
func TestDerive(t *testing.T) {
	t.Parallel()
	keys := func() *cluster.PKI {
		p, err := cluster.NewPKI(time.Now())
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	derived := func(p *cluster.PKI, purpose string) string {
		key, err := p.Derive(purpose)
		if err != nil || len(key) != 32 {
			t.Fatalf("Derive = %d bytes, %v", len(key), err)
		}
		return string(key)
	}
	first := keys()
	again, err := pki.ParseAuthority(first.Cluster.CertPEM(), first.Cluster.KeyPEM())
	if err != nil {
		t.Fatal(err)
	}
	if derived(first, "a") != derived(&cluster.PKI{Cluster: again}, "a") {
		t.Error("after the keys are read again, another key is derived")
	}
	if derived(first, "a") == derived(first, "b") || derived(first, "a") == derived(keys(), "a") {
		t.Error("the keys of two purposes or two clusters are the same")
	}
}

// TestRenewedPKI checks which authorities get a new certificate, and that nothing else changes.
func TestRenewedPKI(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 8, 1, 12, 0, 0, 0, time.UTC)
	keys, err := cluster.NewPKI(now)
	if err != nil {
		t.Fatal(err)
	}
	if keys.Etcd, err = pki.NewAuthority("etcd-ca", now.AddDate(5, 0, 0)); err != nil {
		t.Fatal(err)
	}
	if same, err := keys.Renewed(now.AddDate(8, 0, 0)); same != keys || err != nil {
		t.Errorf("with two years left: %v, %v", same, err)
	}
	later := now.AddDate(9, 6, 0)
	renewed, err := keys.Renewed(later)
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		before, after *pki.Authority
		renewed       bool
	}{
		"kubernetes":     {keys.Cluster, renewed.Cluster, true},
		"etcd-ca":        {keys.Etcd, renewed.Etcd, false},
		"front-proxy-ca": {keys.FrontProxy, renewed.FrontProxy, true},
	} {
		if got := test.before != test.after; got != test.renewed || !test.after.Outlives(later) || !bytes.Equal(test.before.KeyPEM(), test.after.KeyPEM()) {
			t.Errorf("%s was renewed: %t", name, got)
		}
	}
	if !bytes.Equal(renewed.ServiceAccountKey, keys.ServiceAccountKey) || !bytes.Equal(renewed.ServiceAccountPub, keys.ServiceAccountPub) {
		t.Error("the service account keys changed")
	}
}

// TestExpiredAuthority checks that the error names the command that helps.
func TestExpiredAuthority(t *testing.T) {
	t.Parallel()
	keys, err := cluster.NewPKI(time.Date(2006, 8, 1, 12, 0, 0, 0, time.UTC))
	if err != nil {
		t.Fatal(err)
	}
	cluster.New(config.Cluster{Name: "blue"}, nil, keys)
	_, err = keys.Admin()
	if want := `issuing the certificate of "kubernetes-admin": the authority "CN=kubernetes" expired on 2016-07-29T12:00:00Z: mkube renew certificates --name blue renews it`; fmt.Sprint(err) != want {
		t.Errorf("got %v; want %s", err, want)
	}
}
