// Package pki makes what the components of a cluster trust each other by:
// certificate authorities, the certificates these issue, and the key that signs
// service account tokens. It does no I/O: PEM goes in and comes out.
//
// Which certificates a cluster needs is told at
// https://kubernetes.io/docs/setup/best-practices/certificates/.
package pki

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"time"
)

const (
	// An authority lasts ten years and a certificate one, as kubeadm makes them:
	// https://kubernetes.io/docs/tasks/administer-cluster/kubeadm/kubeadm-certs/.
	authorityValidity   = 10 * 365 * 24 * time.Hour
	certificateValidity = 365 * 24 * time.Hour
	// Certificates are made on the host and read on nodes whose clocks may be
	// behind, as those of virtual machines often are.
	backdate = 5 * time.Minute
)

// An Authority is a certificate authority: a certificate that others are
// verified by, and the key that signs them. It never changes after it is made,
// so its methods may be called from many goroutines.
type Authority struct {
	cert   *x509.Certificate
	key    crypto.Signer
	keyPEM []byte
}

// NewAuthority makes a self-signed authority that is valid for ten years from
// five minutes before now. The common name must not be empty.
func NewAuthority(commonName string, now time.Time) (*Authority, error) {
	if commonName == "" {
		return nil, errors.New("making an authority: its common name is empty")
	}
	key, err := newKey()
	if err != nil {
		return nil, fmt.Errorf("making the authority %q: %w", commonName, err)
	}
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: commonName},
		NotBefore:             now.Add(-backdate),
		NotAfter:              now.Add(authorityValidity),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	// The template is its own parent; x509 derives the subject key id of an
	// authority from its key.
	cert, err := sign(template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("making the authority %q: %w", commonName, err)
	}
	return newAuthority(cert, key)
}

func newAuthority(cert *x509.Certificate, key crypto.Signer) (*Authority, error) {
	keyPEM, err := encodeKey(key)
	if err != nil {
		return nil, fmt.Errorf("encoding the private key of %q: %w", cert.Subject, err)
	}
	return &Authority{cert: cert, key: key, keyPEM: keyPEM}, nil
}

// ParseAuthority reads back what CertPEM and KeyPEM gave, or an authority made
// elsewhere: one certificate, and its key as PKCS #8, SEC 1 (EC) or PKCS #1 (RSA).
// A certificate that is no authority, or a key that is not the certificate's, is
// an error. Expiry is not looked at until Issue.
func ParseAuthority(certPEM, keyPEM []byte) (*Authority, error) {
	cert, certErr := parseCertificate(certPEM)
	if certErr == nil {
		certErr = checkAuthority(cert)
	}
	key, keyErr := parseKey(keyPEM)
	if err := errors.Join(certErr, keyErr); err != nil {
		return nil, fmt.Errorf("reading an authority: %w", err)
	}
	if !samePublicKey(cert.PublicKey, key.Public()) {
		return nil, fmt.Errorf("reading an authority: the private key is not that of the certificate of %q", cert.Subject)
	}
	return newAuthority(cert, key)
}

// CertPEM is the authority's certificate: what goes where a component asks for a
// CA. The slice is the caller's.
func (a *Authority) CertPEM() []byte { return encodeCertificate(a.cert) }

// KeyPEM is the authority's private key. The slice is the caller's.
func (a *Authority) KeyPEM() []byte { return bytes.Clone(a.keyPEM) }

// checkAuthority is what verifiers will ask of the certificate: RFC 5280, sections
// 4.2.1.3 and 4.2.1.9.
func checkAuthority(cert *x509.Certificate) error {
	if !cert.IsCA {
		return fmt.Errorf("the certificate of %q is not an authority: its basic constraints lack CA", cert.Subject)
	}
	if cert.KeyUsage != 0 && cert.KeyUsage&x509.KeyUsageCertSign == 0 {
		return fmt.Errorf("the certificate of %q is not an authority: its key usage lacks certificate sign", cert.Subject)
	}
	return nil
}

// sign makes the certificate of a public key, with a serial of its own.
func sign(template, parent *x509.Certificate, public crypto.PublicKey, signer crypto.Signer) (*x509.Certificate, error) {
	serial, err := newSerial()
	if err != nil {
		return nil, err
	}
	template.SerialNumber = serial
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, signer)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

// newSerial draws from 1 to 2^128: positive and within the 20 octets of RFC 5280,
// section 4.1.2.2, and never met twice without having to remember any.
func newSerial() (*big.Int, error) {
	n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 128))
	if err != nil {
		return nil, fmt.Errorf("generating a serial number: %w", err)
	}
	return n.Add(n, big.NewInt(1)), nil
}
