package cluster

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/mkube/mkube/pkg/pki"
)

// PKI is the keys of a cluster: its authorities, which are made once, and the
// certificates that they have issued, each made when it is first asked for. Its
// methods may be called at once from many goroutines.
//
// The set is the one that Kubernetes describes, see
// https://kubernetes.io/docs/setup/best-practices/certificates/.
type PKI struct {
	// Cluster signs what speaks to, and as, the API server and the kubelets; Etcd
	// what speaks to etcd; FrontProxy the API server's requests to extension servers.
	Cluster, Etcd, FrontProxy *pki.Authority
	// ServiceAccountKey signs service account tokens, ServiceAccountPub checks them.
	ServiceAccountKey, ServiceAccountPub []byte

	mu     sync.Mutex
	issued map[string]*issue
}

type issue struct {
	once sync.Once
	pair pki.KeyPair
	err  error
}

// NewPKI makes the keys of a new cluster.
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

// Issue is the certificate of that request from that authority: the same each time
// it is asked for.
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
	return i.pair, i.err
}

// Admin is the administrator's certificate: the group system:masters may do
// anything, before there is any RBAC rule.
func (p *PKI) Admin() (pki.KeyPair, error) {
	return p.Issue(p.Cluster, pki.Request{
		CommonName: "kubernetes-admin", Organizations: []string{"system:masters"}, Usage: pki.Client,
	})
}
