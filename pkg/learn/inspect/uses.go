package inspect

import (
	"errors"
	"fmt"

	"github.com/mkube/mkube/pkg/kubeconfig"
	"github.com/mkube/mkube/pkg/pki"
)

// use is the usage that the certificate in a file must have, and its purpose.
type use struct{ usage, purpose string }

const (
	pkiDir = "/etc/kubernetes/pki/"
	ownDir = "/etc/mkube/pki/"
)

// The purposes of the authorities.
const (
	signsCluster    = "signs who may speak to, and as, the API server and the kubelets"
	signsFrontProxy = "signs who may pass on another's request to an extension server"
	signsEtcd       = "signs who may speak to, and as, etcd"
)

// uses has the paths at which Kubernetes has certificates, and those of mkube. See
// https://kubernetes.io/docs/setup/best-practices/certificates/.
var uses = map[string]use{
	pkiDir + "ca.crt":             {usageAuthority, signsCluster},
	pkiDir + "front-proxy-ca.crt": {usageAuthority, signsFrontProxy},
	pkiDir + "etcd/ca.crt":        {usageAuthority, signsEtcd},

	ownDir + "ca.crt":             {usageAuthority, signsCluster},
	ownDir + "front-proxy-ca.crt": {usageAuthority, signsFrontProxy},
	ownDir + "etcd-ca.crt":        {usageAuthority, signsEtcd},

	pkiDir + "apiserver.crt":                        {usageServer, "kube-apiserver proves to all its clients who it is"},
	pkiDir + "apiserver-kubelet-client.crt":         {usageClient, "kube-apiserver asks kubelets, for logs and exec"},
	pkiDir + "apiserver-etcd-client.crt":            {usageClient, "kube-apiserver reads and writes in etcd; mkube changes its members"},
	pkiDir + "front-proxy-client.crt":               {usageClient, "kube-apiserver passes requests on to extension servers, such as metrics-server"},
	pkiDir + "etcd/server.crt":                      {usagePeer, "etcd proves to kube-apiserver who it is"},
	pkiDir + "etcd/peer.crt":                        {usagePeer, "etcd's members prove to each other who they are"},
	pkiDir + "etcd/healthcheck-client.crt":          {usageClient, "whoever looks after etcd's health; no component does by itself"},
	"/var/lib/kubelet/pki/kubelet.crt":              {usageServer, "the kubelet proves to kube-apiserver and metrics-server who it is"},
	"/etc/kubernetes/admin.conf":                    {usageClient, "you, by kubectl: the group system:masters may do anything"},
	"/etc/kubernetes/kubelet.conf":                  {usageClient, "the kubelet asks kube-apiserver for the pods of its node, and reports on them"},
	"/etc/kubernetes/controller-manager.conf":       {usageClient, "kube-controller-manager watches and changes objects"},
	"/etc/kubernetes/scheduler.conf":                {usageClient, "kube-scheduler watches pods and binds them to nodes"},
	"/etc/kubernetes/kube-proxy.conf":               {usageClient, "kube-proxy watches Services"},
	"/etc/kubernetes/cloud-controller-manager.conf": {usageClient, "the cloud controller manager watches nodes and Services"},
	"/etc/kubernetes/kube-network-policies.conf":    {usageClient, "kube-network-policies watches NetworkPolicies and pods"},
}

// kubeconfig adds the certificates that are embedded in a kubeconfig: the authority that it
// trusts, and the client certificate of its user.
func (s *survey) kubeconfig(node, path string, data []byte) error {
	authorities, users, err := kubeconfig.Embedded(data)
	if err != nil {
		return errors.New("it is not a kubeconfig") // the original error may quote a key
	}
	var errs []error
	for _, ca := range authorities {
		if len(ca) > 0 {
			_, err := s.embedded(node, path, ca)
			errs = append(errs, err)
		}
	}
	for _, u := range users {
		if len(u.Cert) == 0 {
			continue
		}
		certs, err := s.embedded(node, path, u.Cert)
		if err == nil {
			certs[0].checkKey(certs[0].parsed, u.Key, path, node)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func (s *survey) embedded(node, path string, data []byte) ([]*Certificate, error) {
	parsed, err := pki.ParseCertificates(data)
	if err != nil {
		return nil, err
	}
	var certs []*Certificate
	for _, p := range parsed {
		certs = append(certs, s.add(node, path, p))
	}
	return certs, nil
}

// serviceAccounts adds the key pair of the pods' tokens. It has no certificate: the verifier of
// a token has the public key, sa.pub.
func (s *survey) serviceAccounts(node string, files map[string][]byte) {
	for _, path := range []string{pkiDir + "sa.key", pkiDir + "sa.pub", ownDir + "sa.key", ownDir + "sa.pub"} {
		data, has := files[path]
		if !has {
			continue
		}
		parsed, err := pki.ParsePublicKey(data)
		if err != nil {
			s.bad = append(s.bad, fmt.Sprintf("%s on %s: %v", path, node, err))
			continue
		}
		k := s.key(parsed)
		k.Files = put(k.Files, path, node)
	}
}

func (s *survey) key(parsed pki.PublicKey) *Key {
	for _, k := range s.keys {
		if k.Digest == parsed.Digest {
			return k
		}
	}
	k := &Key{Algorithm: parsed.Algorithm, Digest: parsed.Digest, Purpose: "sa.key signs the tokens of pods, sa.pub checks them: kube-apiserver does both"}
	s.keys = append(s.keys, k)
	return k
}
