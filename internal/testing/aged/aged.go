// Package aged makes the certificates of a cluster as old as those of a cluster that was created
// long ago. It does not use the code that renews them.
package aged

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/kubeconfig"
	"github.com/mkube/mkube/pkg/pki"
	"github.com/mkube/mkube/pkg/provider"
)

// Certificates replaces all certificates in the files of the nodes by certificates that were issued
// at a time in the past: authorities, which are valid for ten years, and all others, which are valid
// for one. It restarts nothing. It returns the new certificate of the cluster's authority. The nodes
// are those of one cluster, control planes first.
func Certificates(ctx context.Context, nodes []provider.Node, at time.Time) (ca []byte, err error) {
	var old, aged []*pki.Authority
	for _, n := range nodes {
		if n.Role() == config.LoadBalancer {
			continue
		}
		files, err := provider.Archived(ctx, n, "tar", "-C", "/", "--ignore-failed-read", "-cf", "-", "etc/kubernetes", "var/lib/kubelet/pki", "etc/mkube/pki")
		if err != nil {
			return nil, err
		}
		if old == nil {
			if old, aged, err = authorities(files, at); err != nil {
				return nil, err
			}
		}
		changed, err := reissued(files, old, aged, at)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", n.Name(), err)
		}
		if err := overwrite(ctx, n, changed); err != nil {
			return nil, err
		}
	}
	return aged[0].CertPEM(), nil
}

// overwrite writes the content of files that exist. Pods that mount a file have the new content, as
// they have a certificate whose time has passed.
func overwrite(ctx context.Context, n provider.Node, files []provider.File) error {
	var archive bytes.Buffer
	if err := provider.Archive(&archive, files); err != nil {
		return err
	}
	return n.Run(ctx, provider.Cmd{Args: []string{"tar", "-C", "/", "--overwrite", "-xf", "-"}, Stdin: &archive})
}

// authorities returns the authorities of a control plane, and the same with the age.
func authorities(files map[string][]byte, at time.Time) (old, aged []*pki.Authority, err error) {
	for _, name := range []string{"ca", "etcd-ca", "front-proxy-ca"} {
		path := "/etc/mkube/pki/" + name
		a, err := pki.ParseAuthority(files[path+".crt"], files[path+".key"])
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", path, err)
		}
		b, err := a.Renewed(at)
		if err != nil {
			return nil, nil, err
		}
		old, aged = append(old, a), append(aged, b)
	}
	return old, aged, nil
}

// reissued returns the files that contain certificates, with others in their place. A kubeconfig
// contains them in base64.
func reissued(files map[string][]byte, old, aged []*pki.Authority, at time.Time) ([]provider.File, error) {
	var list []provider.File
	for _, path := range slices.Sorted(maps.Keys(files)) {
		data := files[path]
		for i := range old {
			data = swap(data, old[i].CertPEM(), aged[i].CertPEM())
		}
		cert, key, keyPath := data, files[strings.TrimSuffix(path, ".crt")+".key"], strings.TrimSuffix(path, ".crt")+".key"
		switch {
		case strings.HasSuffix(path, ".conf"):
			_, users, err := kubeconfig.Embedded(data)
			if err != nil || len(users) != 1 {
				return nil, fmt.Errorf("%s has %d users: %w", path, len(users), err)
			}
			cert, key, keyPath = users[0].Cert, users[0].Key, path
		case !strings.HasSuffix(path, ".crt"):
			continue
		}
		pair, err := reissue(cert, aged, at)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		if pair == nil { // an authority
			list = append(list, provider.File{Path: path, Data: data})
			continue
		}
		data = swap(data, cert, pair.Cert)
		if keyPath == path {
			list = append(list, provider.File{Path: path, Data: swap(data, key, pair.Key), Mode: 0o600})
			continue
		}
		list = append(list, provider.File{Path: path, Data: data}, provider.File{Path: keyPath, Data: pair.Key, Mode: 0o600})
	}
	return list, nil
}

// swap replaces a text, also in its base64 form.
func swap(data, old, by []byte) []byte {
	code := func(b []byte) []byte { return []byte(base64.StdEncoding.EncodeToString(b)) }
	return bytes.ReplaceAll(bytes.ReplaceAll(data, old, by), code(old), code(by))
}

// reissue returns a certificate with the same content, or nil for an authority.
func reissue(certPEM []byte, aged []*pki.Authority, at time.Time) (*pki.KeyPair, error) {
	certs, err := pki.ParseCertificates(certPEM)
	if err != nil {
		return nil, err
	}
	c := certs[0]
	if c.Info().IsCA {
		return nil, nil
	}
	r := pki.Request{CommonName: c.CommonName(), Organizations: c.Organizations(), DNSNames: c.Info().DNSNames, IPs: c.Info().IPs, Usage: usage(c), Now: at}
	for _, a := range aged {
		by, err := pki.ParseCertificates(a.CertPEM())
		if err != nil {
			return nil, err
		}
		if c.SignedBy(by[0]) {
			pair, err := a.Issue(r)
			return &pair, err
		}
	}
	return nil, fmt.Errorf("no authority has signed %q", c.CommonName())
}

func usage(c pki.Certificate) pki.Usage {
	for _, u := range []pki.Usage{pki.Peer, pki.Server} {
		if c.Is(u) {
			return u
		}
	}
	return pki.Client
}
