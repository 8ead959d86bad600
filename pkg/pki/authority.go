// Package pki creates the keys with which the components of a cluster trust each other: certificate
// authorities, the certificates that these issue, and the key that signs service account tokens. It
// does no I/O: input and output are PEM.
//
// The certificates that a cluster needs are listed in
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
	// An authority is valid for ten years and a certificate for one, as with kubeadm:
	// https://kubernetes.io/docs/tasks/administer-cluster/kubeadm/kubeadm-certs/.
	authorityValidity   = 10 * 365 * 24 * time.Hour
	certificateValidity = 365 * 24 * time.Hour
	// Certificates are created on the host, and verified on nodes. The clock of a node may be
	// behind, as is frequent in virtual machines.
	backdate = 5 * time.Minute
)

// An Authority is a certificate authority: a certificate with which others are verified, and the
// key that signs them. It is immutable, so its methods are safe for concurrent use.
type Authority struct {
	cert   *x509.Certificate
	key    crypto.Signer
	keyPEM []byte
}

// NewAuthority creates a self-signed authority. It is valid from five minutes before now until ten
// years after now. The common name must not be empty.
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
	// The template is its own parent. x509 derives the subject key ID of an authority from its key.
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

// ParseAuthority parses the output of CertPEM and KeyPEM, or an authority from another tool: one
// certificate, and its key as PKCS #8, SEC 1 (EC) or PKCS #1 (RSA). It returns an error if the
// certificate is not an authority, or if the key does not belong to it. It does not check the
// expiry; Issue does.
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

// CertPEM returns the certificate of the authority, which components are configured with as their
// CA. The caller may change the slice.
func (a *Authority) CertPEM() []byte { return encodeCertificate(a.cert) }

// KeyPEM returns the private key of the authority. The caller may change the slice.
func (a *Authority) KeyPEM() []byte { return bytes.Clone(a.keyPEM) }

// checkAuthority checks what verifiers require of the certificate: RFC 5280, sections 4.2.1.3 and
// 4.2.1.9.
func checkAuthority(cert *x509.Certificate) error {
	if !cert.IsCA {
		return fmt.Errorf("the certificate of %q is not an authority: its basic constraints lack CA", cert.Subject)
	}
	if cert.KeyUsage != 0 && cert.KeyUsage&x509.KeyUsageCertSign == 0 {
		return fmt.Errorf("the certificate of %q is not an authority: its key usage lacks certificate sign", cert.Subject)
	}
	return nil
}

// sign returns the certificate of a public key, with a new serial number.
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

// newSerial returns a random number from 1 to 2^128. It is positive and has at most 20 octets, as
// RFC 5280 requires in section 4.1.2.2. Random numbers of this size do not repeat in practice, so
// that no list of used numbers is necessary.
func newSerial() (*big.Int, error) {
	n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 128))
	if err != nil {
		return nil, fmt.Errorf("generating a serial number: %w", err)
	}
	return n.Add(n, big.NewInt(1)), nil
}
