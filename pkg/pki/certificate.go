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

// A Certificate is a parsed certificate, which can be compared with others and with keys.
type Certificate struct{ cert *x509.Certificate }

// ParseCertificates returns all certificates of a PEM file, in their order. It skips keys and other
// blocks. It returns an error if there is no certificate.
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

// Info returns the content of the certificate.
func (c Certificate) Info() Info { return info(c.cert) }

// CommonName returns the common name of the subject. To Kubernetes, it is the name of a client.
func (c Certificate) CommonName() string { return c.cert.Subject.CommonName }

// Organizations returns the organizations of the subject. To Kubernetes, they are the groups of a
// client.
func (c Certificate) Organizations() []string { return slices.Clone(c.cert.Subject.Organization) }

// Is reports whether the certificate allows a usage.
func (c Certificate) Is(u Usage) bool {
	for _, want := range u.extKeyUsages() {
		if !slices.Contains(c.cert.ExtKeyUsage, want) {
			return false
		}
	}
	return true
}

// Same reports whether both are the same certificate.
func (c Certificate) Same(other Certificate) bool { return c.cert.Equal(other.cert) }

// SignedBy reports whether the key of an authority has signed the certificate. It checks the
// validity period of neither.
func (c Certificate) SignedBy(authority Certificate) bool {
	return c.cert.CheckSignatureFrom(authority.cert) == nil
}

// HasKey returns nil if a private key in PEM belongs to the certificate.
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

// A PublicKey identifies a public key.
type PublicKey struct {
	// Algorithm is the algorithm and size, such as "ECDSA P-256" or "RSA 2048".
	Algorithm string
	// Digest is the SHA-256 of the key in PKIX form, in hexadecimal.
	Digest string
}

// ParsePublicKey returns the public key in a PEM file, or the public key of the private key in it.
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
