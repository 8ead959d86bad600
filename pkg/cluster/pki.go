package cluster

import (
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/mkube/mkube/pkg/pki"
)

// PKI contains the keys of a cluster: its authorities, which are created once, and the certificates
// that they have issued. Each certificate is created at the first request for it. The methods are
// safe for concurrent use.
//
// The certificates are those that Kubernetes describes, see
// https://kubernetes.io/docs/setup/best-practices/certificates/.
type PKI struct {
	// Cluster signs the certificates of the API server, the kubelets and their clients. Etcd signs
	// those of etcd and its clients. FrontProxy signs the one for requests of the API server to
	// extension servers.
	Cluster, Etcd, FrontProxy *pki.Authority
	// ServiceAccountKey signs service account tokens, and ServiceAccountPub verifies them.
	ServiceAccountKey, ServiceAccountPub []byte

	// name is the name of the cluster, for errors.
	name   string
	mu     sync.Mutex
	issued map[string]*issue
}

type issue struct {
	once sync.Once
	pair pki.KeyPair
	err  error
}

// NewPKI creates the keys of a new cluster.
func NewPKI(now time.Time) (*PKI, error) {
	p := new(PKI)
	var errs [4]error
	var wait sync.WaitGroup
	for i, a := range []struct {
		into *(*pki.Authority)
		name string
	}{{&p.Cluster, "kubernetes"}, {&p.Etcd, "etcd-ca"}, {&p.FrontProxy, "front-proxy-ca"}} {
		wait.Go(func() { *a.into, errs[i] = pki.NewAuthority(a.name, now) })
	}
	wait.Go(func() { p.ServiceAccountKey, p.ServiceAccountPub, errs[3] = pki.NewServiceAccountKey() })
	wait.Wait()
	if err := errors.Join(errs[:]...); err != nil {
		return nil, fmt.Errorf("creating the cluster's keys: %w", err)
	}
	return p, nil
}

// Renewed returns the keys with a new certificate for each authority that ends before the
// certificates that it issues now, or that is not valid yet. If there is none, it returns p itself.
// All keys stay the same: see pki.Authority.Renewed.
func (p *PKI) Renewed(now time.Time) (*PKI, error) {
	renewed := &PKI{ServiceAccountKey: p.ServiceAccountKey, ServiceAccountPub: p.ServiceAccountPub, name: p.name}
	same := true
	var errs []error
	for _, a := range []struct {
		from *pki.Authority
		into **pki.Authority
	}{{p.Cluster, &renewed.Cluster}, {p.Etcd, &renewed.Etcd}, {p.FrontProxy, &renewed.FrontProxy}} {
		*a.into = a.from
		if a.from.Outlives(now) {
			continue
		}
		same = false
		var err error
		*a.into, err = a.from.Renewed(now)
		errs = append(errs, err)
	}
	if same {
		return p, nil
	}
	return renewed, errors.Join(errs...)
}

// Issue returns the certificate for a request from an authority. The same request returns the same
// certificate.
func (p *PKI) Issue(from *pki.Authority, r pki.Request) (pki.KeyPair, error) {
	key := fmt.Sprintf("%p %q %q %q %v %v %v %v", from, r.CommonName, r.Organizations, r.DNSNames, r.IPs, r.Usage, r.Now, r.Validity)
	p.mu.Lock()
	if p.issued == nil {
		p.issued = map[string]*issue{}
	}
	i := p.issued[key]
	if i == nil {
		i = new(issue)
		p.issued[key] = i
	}
	p.mu.Unlock()
	i.once.Do(func() { i.pair, i.err = from.Issue(r) })
	if errors.As(i.err, new(*pki.ExpiredError)) {
		return i.pair, fmt.Errorf("%w: mkube renew certificates --name %s renews it", i.err, p.name)
	}
	return i.pair, i.err
}

// Admin returns the certificate of the administrator. The group system:masters has all permissions,
// even before any RBAC rule exists.
func (p *PKI) Admin() (pki.KeyPair, error) {
	return p.Issue(p.Cluster, pki.Request{
		CommonName: "kubernetes-admin", Organizations: []string{"system:masters"}, Usage: pki.Client,
	})
}

// Derive returns a key of 32 bytes for a purpose. It is the same for each node of the cluster, also
// for those that are added later. Nothing else can be derived from it: RFC 5869.
func (p *PKI) Derive(purpose string) ([]byte, error) {
	return hkdf.Key(sha256.New, p.Cluster.KeyPEM(), nil, purpose, 32)
}
