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

	// Backdate is the time before its creation from which a certificate is valid. Certificates are
	// created on the host, and verified on nodes. The clock of a node may be behind, as is frequent
	// in virtual machines.
	Backdate = 5 * time.Minute
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
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	a, err := selfSigned(template, key, now)
	if err != nil {
		return nil, fmt.Errorf("making the authority %q: %w", commonName, err)
	}
	return a, nil
}

// selfSigned returns the authority of a template, valid from five minutes before now until ten
// years after now.
func selfSigned(template *x509.Certificate, key crypto.Signer, now time.Time) (*Authority, error) {
	template.NotBefore, template.NotAfter = now.Add(-Backdate), now.Add(authorityValidity)
	// The template is its own parent. Without a subject key ID, x509 derives it from the key.
	cert, err := sign(template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	return newAuthority(cert, key)
}

// Renewed returns the authority with a new certificate, valid from five minutes before now until
// ten years after now. The key and the subject stay the same, so the certificates that the
// authority has signed verify against the new one, too. It returns an error if another authority
// has signed the certificate.
func (a *Authority) Renewed(now time.Time) (*Authority, error) {
	old := a.cert
	if !bytes.Equal(old.RawIssuer, old.RawSubject) || old.CheckSignatureFrom(old) != nil {
		return nil, fmt.Errorf("renewing the authority %q: %q has signed it: renew it there", old.Subject, old.Issuer)
	}
	renewed, err := selfSigned(&x509.Certificate{
		RawSubject:            old.RawSubject,
		SubjectKeyId:          old.SubjectKeyId,
		IsCA:                  true,
		BasicConstraintsValid: true,
		MaxPathLen:            old.MaxPathLen,
		MaxPathLenZero:        old.MaxPathLenZero,
		KeyUsage:              old.KeyUsage,
	}, a.key, now)
	if err != nil {
		return nil, fmt.Errorf("renewing the authority %q: %w", old.Subject, err)
	}
	return renewed, nil
}

// Outlives reports whether the authority is valid now, and at least as long as a certificate with
// the default validity that it issues now.
func (a *Authority) Outlives(now time.Time) bool {
	return !now.Before(a.cert.NotBefore) && !now.Add(certificateValidity).After(a.cert.NotAfter)
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
