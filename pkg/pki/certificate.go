package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
)

// A Certificate is one that was read, to be compared with others and with keys.
type Certificate struct{ cert *x509.Certificate }

// ParseCertificates reads all certificates of a PEM file, in their order; keys and
// other blocks are passed over. None is an error.
func ParseCertificates(data []byte) ([]Certificate, error) {
	var list []Certificate
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != labelCertificate {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("parsing the certificate: %w", err)
		}
		list = append(list, Certificate{cert})
	}
	if len(list) == 0 {
		return nil, errors.New("it contains no certificate: the line -----BEGIN CERTIFICATE----- is missing")
	}
	return list, nil
}

// Info is what the certificate says.
func (c Certificate) Info() Info { return info(c.cert) }

// CommonName is the subject's: to Kubernetes, a client's name.
func (c Certificate) CommonName() string { return c.cert.Subject.CommonName }

// Organizations are the subject's: to Kubernetes, a client's groups.
func (c Certificate) Organizations() []string { return slices.Clone(c.cert.Subject.Organization) }

// Is reports whether a certificate may be used so.
func (c Certificate) Is(u Usage) bool {
	for _, want := range u.extKeyUsages() {
		if !slices.Contains(c.cert.ExtKeyUsage, want) {
			return false
		}
	}
	return true
}

// Same reports whether two are one certificate.
func (c Certificate) Same(other Certificate) bool { return c.cert.Equal(other.cert) }

// SignedBy reports whether an authority's key has signed the certificate. Neither's
// time is looked at.
func (c Certificate) SignedBy(authority Certificate) bool {
	return c.cert.CheckSignatureFrom(authority.cert) == nil
}

// HasKey is nil if a private key in PEM is the certificate's.
func (c Certificate) HasKey(keyPEM []byte) error {
	key, err := parseKey(keyPEM)
	if err != nil {
		return err
	}
	if !samePublicKey(c.cert.PublicKey, key.Public()) {
		return errors.New("the private key belongs to another certificate")
	}
	return nil
}

// A PublicKey is told from others by what it is and by a digest.
type PublicKey struct {
	// Algorithm is such as "ECDSA P-256" or "RSA 2048".
	Algorithm string
	// Digest is the SHA-256 of its PKIX form, in hexadecimal.
	Digest string
}

// ParsePublicKey reads the public key of a PEM file: the public key that is in it, or
// that of its private key.
func ParsePublicKey(data []byte) (PublicKey, error) {
	block, _ := pem.Decode(data)
	if block != nil && block.Type == labelPublicKey {
		key, err := x509.ParsePKIXPublicKey(block.Bytes)
		if err != nil {
			return PublicKey{}, fmt.Errorf("parsing the public key: %w", err)
		}
		return publicKey(key)
	}
	key, err := parseKey(data)
	if err != nil {
		return PublicKey{}, err
	}
	return publicKey(key.Public())
}

func publicKey(key crypto.PublicKey) (PublicKey, error) {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return PublicKey{}, err
	}
	p := PublicKey{Algorithm: fmt.Sprintf("%T", key), Digest: fmt.Sprintf("%x", sha256.Sum256(der))}
	switch key := key.(type) {
	case *ecdsa.PublicKey:
		p.Algorithm = "ECDSA " + key.Curve.Params().Name
	case *rsa.PublicKey:
		p.Algorithm = fmt.Sprintf("RSA %d", key.N.BitLen())
	}
	return p, nil
}
