package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
)

// The PEM labels of RFC 7468, RFC 5915 and PKCS #1.
const (
	labelCertificate = "CERTIFICATE"
	labelPublicKey   = "PUBLIC KEY"
	labelPKCS8       = "PRIVATE KEY"
	labelEC          = "EC PRIVATE KEY"
	labelRSA         = "RSA PRIVATE KEY"
)

// NewServiceAccountKey creates the key pair for service account tokens. private signs them (the
// signing key file of kube-controller-manager and kube-apiserver), and public verifies them. Both
// are PEM. The tokens use ES256, see
// https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/.
func NewServiceAccountKey() (private, public []byte, err error) {
	key, err := newKey()
	if err != nil {
		return nil, nil, fmt.Errorf("making the service account key: %w", err)
	}
	private, err = encodeKey(key)
	if err != nil {
		return nil, nil, fmt.Errorf("making the service account key: %w", err)
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return nil, nil, fmt.Errorf("making the service account key: %w", err)
	}
	return private, encode(labelPublicKey, der), nil
}

// newKey creates a key of the curve P-256. That takes a fraction of a millisecond. An RSA key takes
// a large part of a second, and a cluster needs a dozen keys.
func newKey() (*ecdsa.PrivateKey, error) {
	return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
}

func encode(label string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: label, Bytes: der})
}

func encodeCertificate(cert *x509.Certificate) []byte { return encode(labelCertificate, cert.Raw) }

// encodeKey encodes EC keys in the same form as kubeadm, and others as PKCS #8.
func encodeKey(key crypto.Signer) ([]byte, error) {
	if key, ok := key.(*ecdsa.PrivateKey); ok {
		der, err := x509.MarshalECPrivateKey(key)
		return encode(labelEC, der), err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	return encode(labelPKCS8, der), err
}

// parseCertificate requires exactly one certificate. With several, it would have to guess the right
// one.
func parseCertificate(data []byte) (*x509.Certificate, error) {
	block, rest := pem.Decode(data)
	if block == nil {
		return nil, errors.New("the certificate is not PEM: the line -----BEGIN CERTIFICATE----- is missing")
	}
	if block.Type != labelCertificate {
		return nil, fmt.Errorf("the certificate's PEM is %q, not %q", block.Type, labelCertificate)
	}
	if next, _ := pem.Decode(rest); next != nil {
		return nil, fmt.Errorf("the certificate's PEM has a second block, %q, after the first certificate: give one certificate", next.Type)
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("parsing the certificate: %w", err)
	}
	return cert, nil
}

// parseKey parses the first private key. openssl writes "EC PARAMETERS" before it.
func parseKey(data []byte) (crypto.Signer, error) {
	var seen []string
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		parse := keyParser(block.Type)
		if parse == nil {
			seen = append(seen, block.Type)
			continue
		}
		key, err := parse(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("parsing the %s: %w", block.Type, err)
		}
		return signer(key)
	}
	if len(seen) > 0 {
		return nil, fmt.Errorf("the private key's PEM has no private key, only %s", strings.Join(seen, " and "))
	}
	return nil, errors.New("the private key is not PEM: the line -----BEGIN EC PRIVATE KEY----- is missing")
}

func keyParser(label string) func([]byte) (any, error) {
	switch label {
	case labelEC:
		return func(der []byte) (any, error) { return x509.ParseECPrivateKey(der) }
	case labelRSA:
		return func(der []byte) (any, error) { return x509.ParsePKCS1PrivateKey(der) }
	case labelPKCS8:
		return x509.ParsePKCS8PrivateKey
	default:
		return nil
	}
}

// signer returns the key if it can sign certificates. It must be RSA or ECDSA, which all components
// of Kubernetes can read.
func signer(key any) (crypto.Signer, error) {
	switch key := key.(type) {
	case *ecdsa.PrivateKey:
		return key, nil
	case *rsa.PrivateKey:
		return key, nil
	default:
		return nil, fmt.Errorf("the private key is a %T: use an ECDSA or RSA key", key)
	}
}

func samePublicKey(a, b crypto.PublicKey) bool {
	equaler, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && equaler.Equal(b)
}
