package inspect

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/pki"
	"github.com/mkube/mkube/pkg/provider"
)

// PKI contains the certificates and public keys on the nodes of a cluster. It contains no
// private key.
type PKI struct {
	// Authorities are the certificates that sign others, with the certificates that each signed.
	Authorities []*Certificate `json:"authorities"`
	// Strangers are the certificates that none of the authorities signed.
	Strangers []*Certificate `json:"strangers,omitempty"`
	// ServiceAccountKeys are the key pairs that sign and verify the tokens of pods. A healthy
	// cluster has one.
	ServiceAccountKeys []*Key `json:"serviceAccountKeys,omitempty"`
	// Problems lists the files that cannot be read, with node and path.
	Problems []string `json:"problems,omitempty"`
}

// Certificate is one certificate, which may be in several files.
type Certificate struct {
	Name          string   `json:"name"`
	Organizations []string `json:"organizations,omitempty"`
	// Usage is "authority", "server", "client", "peer", which is server and client, or "of no
	// use".
	Usage string `json:"usage"`
	// Purposes describe who uses it for what. They are empty if no path is one of Kubernetes' or
	// mkube's own.
	Purposes []string `json:"purposes,omitempty"`
	// Names are the DNS names and addresses of a server.
	Names     []string  `json:"names,omitempty"`
	NotBefore time.Time `json:"notBefore"`
	NotAfter  time.Time `json:"notAfter"`
	Files     []*Place  `json:"files"`
	// Problems are the reasons why it will be rejected.
	Problems []string       `json:"problems,omitempty"`
	Signed   []*Certificate `json:"signed,omitempty"`

	parsed pki.Certificate
}

// Key is a key pair without a certificate.
type Key struct {
	Algorithm string `json:"algorithm"`
	// Digest is the SHA-256 digest of the public key in PKIX form.
	Digest   string   `json:"sha256"`
	Purpose  string   `json:"purpose"`
	Files    []*Place `json:"files"`
	Problems []string `json:"problems,omitempty"`
}

// Place is a path, with the nodes that have this file.
type Place struct {
	Path  string   `json:"path"`
	Nodes []string `json:"nodes"`
}

// certificateDirs are the folders with certificates, relative to the root of a node. The last
// one has the authorities from which mkube issues certificates. It exists at every stage.
const certificateDirs = "etc/kubernetes var/lib/kubelet/pki etc/mkube/pki"

// Certificates reads the certificates from files on the nodes of a cluster, with one command for
// each node. It uses no component, so it works even if none does. It checks expiry against now.
// unread has an error for each node that could not be read; if no node could be read, these
// errors are err.
func Certificates(ctx context.Context, nodes []provider.Node, now time.Time) (found *PKI, unread []error, err error) {
	nodes = slices.DeleteFunc(slices.Clone(nodes), func(n provider.Node) bool { return n.Role() == config.LoadBalancer })
	files, errs := make([]map[string][]byte, len(nodes)), make([]error, len(nodes))
	var wait sync.WaitGroup
	for i, n := range nodes {
		wait.Go(func() {
			// Some of the folders may be missing. If all are, tar fails.
			const script = `cd / && exec tar -cf - $(ls -d ` + certificateDirs + ` 2>/dev/null)`
			files[i], errs[i] = provider.Archived(ctx, n, "sh", "-c", script)
		})
	}
	wait.Wait()
	s := &survey{now: now}
	for i, n := range nodes {
		if errs[i] != nil {
			unread = append(unread, fmt.Errorf("reading the certificates of %s: %s", n.Name(), reason(errs[i])))
			continue
		}
		s.node(n.Name(), files[i])
	}
	if len(unread) == len(nodes) && len(nodes) > 0 {
		return nil, nil, errors.Join(unread...)
	}
	return s.finish(), unread, nil
}

// survey collects certificates from files.
type survey struct {
	now   time.Time
	certs []*Certificate
	keys  []*Key
	bad   []string
}

// node adds the files of a node.
func (s *survey) node(node string, files map[string][]byte) {
	for _, path := range slices.Sorted(maps.Keys(files)) {
		var err error
		switch {
		case strings.HasSuffix(path, ".conf"):
			err = s.kubeconfig(node, path, files[path])
		case strings.HasSuffix(path, ".crt"), strings.HasSuffix(path, ".pem"):
			err = s.file(node, path, files)
		}
		if err != nil {
			s.bad = append(s.bad, fmt.Sprintf("%s on %s: %v", path, node, err))
		}
	}
	s.serviceAccounts(node, files)
}

// file adds the certificates of a file. The key of the first certificate is in the file next to
// it, or in the same file.
func (s *survey) file(node, path string, files map[string][]byte) error {
	certs, err := pki.ParseCertificates(files[path])
	if err != nil {
		return err
	}
	for i, parsed := range certs {
		c := s.add(node, path, parsed)
		key, has := files[strings.TrimSuffix(path, ".crt")+".key"]
		if strings.HasSuffix(path, ".pem") {
			key, has = files[path], true
		}
		switch {
		case i > 0:
		case has:
			c.checkKey(parsed, key, path, node)
		case c.Usage != usageAuthority: // the key of an authority is only where it signs
			c.problem("%s on %s has no private key next to it", path, node)
		}
	}
	return nil
}

func (c *Certificate) checkKey(parsed pki.Certificate, key []byte, path, node string) {
	if err := parsed.HasKey(key); err != nil {
		c.problem("%s on %s: %v", path, node, err)
	}
}

func (c *Certificate) problem(format string, args ...any) {
	c.Problems = append(c.Problems, fmt.Sprintf(format, args...))
}

// add adds a certificate, or one more file of a certificate that was added before.
func (s *survey) add(node, path string, parsed pki.Certificate) *Certificate {
	i := slices.IndexFunc(s.certs, func(c *Certificate) bool { return c.parsed.Same(parsed) })
	if i < 0 {
		i = len(s.certs)
		s.certs = append(s.certs, s.describe(parsed))
	}
	c := s.certs[i]
	c.Files = put(c.Files, path, node)
	// The purpose of a kubeconfig does not apply to the authority that is embedded in it.
	use, known := uses[path]
	if known && (use.usage == usageAuthority) == (c.Usage == usageAuthority) && !slices.Contains(c.Purposes, use.purpose) {
		c.Purposes = append(c.Purposes, use.purpose)
	}
	return c
}

// put adds a node to the place with a path, and adds the place if it is new.
func put(places []*Place, path, node string) []*Place {
	for _, p := range places {
		if p.Path == path {
			if !slices.Contains(p.Nodes, node) {
				p.Nodes = append(p.Nodes, node)
			}
			return places
		}
	}
	return append(places, &Place{Path: path, Nodes: []string{node}})
}

// The values of Certificate.Usage.
const (
	usageAuthority = "authority"
	usagePeer      = "peer"
	usageServer    = "server"
	usageClient    = "client"
	usageNone      = "of no use"
)

func (s *survey) describe(parsed pki.Certificate) *Certificate {
	info := parsed.Info()
	c := &Certificate{
		Name: parsed.CommonName(), Organizations: parsed.Organizations(), Names: info.DNSNames,
		NotBefore: info.NotBefore, NotAfter: info.NotAfter, Usage: usageNone, parsed: parsed,
	}
	for _, ip := range info.IPs {
		c.Names = append(c.Names, ip.String())
	}
	switch {
	case info.IsCA:
		c.Usage = usageAuthority
	case parsed.Is(pki.Peer):
		c.Usage = usagePeer
	case parsed.Is(pki.Server):
		c.Usage = usageServer
	case parsed.Is(pki.Client):
		c.Usage = usageClient
	}
	switch {
	case s.now.After(c.NotAfter):
		c.problem("it expired %s ago", span(s.now.Sub(c.NotAfter)))
	case s.now.Before(c.NotBefore):
		c.problem("it is not valid for another %s", span(c.NotBefore.Sub(s.now)))
	}
	return c
}

// finish checks all certificates, and puts each below the authority that signed it.
func (s *survey) finish() *PKI {
	p := &PKI{Authorities: []*Certificate{}, Problems: s.bad, ServiceAccountKeys: s.keys}
	for _, c := range s.certs {
		if c.Usage == usageAuthority {
			s.checkAuthority(c)
			p.Authorities = append(p.Authorities, c)
		}
	}
	for _, c := range s.certs {
		if c.Usage == usageAuthority {
			continue
		}
		s.checkUse(c)
		at := slices.IndexFunc(p.Authorities, func(a *Certificate) bool { return c.parsed.SignedBy(a.parsed) })
		if at < 0 {
			c.problem("no authority on the nodes has signed it; it names %s as its issuer", c.parsed.Info().Issuer)
			p.Strangers = append(p.Strangers, c)
			continue
		}
		p.Authorities[at].Signed = append(p.Authorities[at].Signed, c)
	}
	for _, list := range p.lists() {
		slices.SortStableFunc(list, func(a, b *Certificate) int {
			return cmp.Or(cmp.Compare(rank(a), rank(b)), -cmp.Compare(len(a.Signed), len(b.Signed)), cmp.Compare(a.Name, b.Name))
		})
	}
	if len(s.keys) > 1 {
		for _, k := range s.keys {
			k.Problems = append(k.Problems, "there is another key pair: each pair rejects the tokens that the other one signed")
		}
	}
	return p
}

// lists returns all lists of certificates: the authorities, the certificates that each signed,
// and the strangers.
func (p *PKI) lists() [][]*Certificate {
	lists := [][]*Certificate{p.Authorities, p.Strangers}
	for _, a := range p.Authorities {
		lists = append(lists, a.Signed)
	}
	return lists
}

// Validity returns the time in which all certificates at paths of Kubernetes and mkube are valid.
// Those at other paths belong to the user, or the kubelet renews them.
func (p *PKI) Validity() pki.Validity {
	var v pki.Validity
	for _, list := range p.lists() {
		for _, c := range list {
			if slices.ContainsFunc(c.Files, func(place *Place) bool { _, known := uses[place.Path]; return known }) {
				v = v.And(c.parsed.Validity())
			}
		}
	}
	return v
}

// rank returns the position of a certificate by its usage: servers come before clients.
func rank(c *Certificate) int {
	return slices.Index([]string{usageAuthority, usageServer, usagePeer, usageClient, usageNone}, c.Usage)
}

// checkAuthority finds authorities with the same name. A client that trusts one of them rejects
// the certificates that the other one signed.
func (s *survey) checkAuthority(c *Certificate) {
	for _, other := range s.certs {
		if other != c && other.Usage == usageAuthority && other.Name == c.Name {
			c.problem("another authority has the same name, %s", c.Name)
		}
	}
}

// checkUse checks that the usage of a certificate matches the purpose of its files.
func (s *survey) checkUse(c *Certificate) {
	for _, place := range c.Files {
		use, known := uses[place.Path]
		if known && use.usage != usageAuthority && c.Usage != use.usage {
			c.problem("%s must be a certificate for a %s, and is for: %s", place.Path, use.usage, c.Usage)
		}
	}
}
