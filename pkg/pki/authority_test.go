package pki_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/mkube/mkube/pkg/pki"
)

var now = time.Date(2026, 8, 1, 12, 0, 0, 0, time.UTC)

func authority(t *testing.T, name string) *pki.Authority {
	t.Helper()
	a, err := pki.NewAuthority(name, now)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func parse(t *testing.T, certPEM []byte) *x509.Certificate {
	t.Helper()
	block, rest := pem.Decode(certPEM)
	if block == nil || block.Type != "CERTIFICATE" || len(rest) != 0 {
		t.Fatalf("not one certificate in PEM:\n%s", certPEM)
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func TestNewAuthority(t *testing.T) {
	t.Parallel()
	a := authority(t, "kubernetes")
	info, err := pki.Describe(a.CertPEM())
	if err != nil {
		t.Fatal(err)
	}
	want := `subject: CN=kubernetes
issuer:  CN=kubernetes
CA:      yes
usages:  digital signature, certificate sign
from:    2026-08-01T11:55:00Z
to:      2036-07-29T12:00:00Z
`
	if got := info.String(); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
	cert := parse(t, a.CertPEM())
	if len(cert.SubjectKeyId) == 0 {
		t.Error("no subject key id: those it issues could not name it")
	}
	if err := cert.CheckSignatureFrom(cert); err != nil {
		t.Errorf("not self-signed: %v", err)
	}
	if n := cert.SerialNumber; n.Sign() <= 0 || n.BitLen() > 129 {
		t.Errorf("serial %s is not within RFC 5280's", n)
	}
	if !strings.HasPrefix(string(a.KeyPEM()), "-----BEGIN EC PRIVATE KEY-----\n") {
		t.Errorf("key is not in the form that kubeadm writes:\n%s", a.KeyPEM())
	}
}

func TestNewAuthorityNeedsName(t *testing.T) {
	t.Parallel()
	_, err := pki.NewAuthority("", now)
	wantError(t, err, "making an authority: its common name is empty")
}

func TestAuthorityGivesItsSlicesAway(t *testing.T) {
	t.Parallel()
	a := authority(t, "kubernetes")
	clear(a.CertPEM())
	clear(a.KeyPEM())
	if _, err := pki.ParseAuthority(a.CertPEM(), a.KeyPEM()); err != nil {
		t.Errorf("a caller's write reached the authority: %v", err)
	}
}

func TestParseAuthorityRoundTrip(t *testing.T) {
	t.Parallel()
	a := authority(t, "etcd-ca")
	b, err := pki.ParseAuthority(a.CertPEM(), a.KeyPEM())
	if err != nil {
		t.Fatal(err)
	}
	if string(a.CertPEM()) != string(b.CertPEM()) || string(a.KeyPEM()) != string(b.KeyPEM()) {
		t.Error("what was parsed is encoded otherwise")
	}
	pair, err := b.Issue(pki.Request{CommonName: "c", Usage: pki.Client, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	verify(t, a, pair, x509.ExtKeyUsageClientAuth, now)
}

// foreign returns an authority as other tools create it, with an RSA key.
func foreign(t *testing.T, usage x509.KeyUsage) (certPEM []byte, key *rsa.PrivateKey) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "corporate"},
		NotBefore: now, NotAfter: now.AddDate(1, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: usage,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), key
}

func TestParseAuthorityOfOthers(t *testing.T) {
	t.Parallel()
	cert, key := foreign(t, x509.KeyUsageCertSign)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for label, der := range map[string][]byte{
		"RSA PRIVATE KEY": x509.MarshalPKCS1PrivateKey(key),
		"PRIVATE KEY":     pkcs8,
	} {
		a, err := pki.ParseAuthority(cert, pem.EncodeToMemory(&pem.Block{Type: label, Bytes: der}))
		if err != nil {
			t.Errorf("%s: %v", label, err)
			continue
		}
		pair, err := a.Issue(pki.Request{CommonName: "c", Usage: pki.Client, Now: now})
		if err != nil {
			t.Errorf("%s: %v", label, err)
			continue
		}
		verify(t, a, pair, x509.ExtKeyUsageClientAuth, now)
		if _, err := pki.ParseAuthority(a.CertPEM(), a.KeyPEM()); err != nil {
			t.Errorf("%s: not read back: %v", label, err)
		}
	}
}

func TestParseAuthoritySkipsParameters(t *testing.T) {
	t.Parallel()
	a := authority(t, "kubernetes")
	// "openssl ecparam -genkey" writes this form.
	key := append([]byte("-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"), a.KeyPEM()...)
	if _, err := pki.ParseAuthority(a.CertPEM(), key); err != nil {
		t.Error(err)
	}
}

func TestParseAuthorityErrors(t *testing.T) {
	t.Parallel()
	a, other := authority(t, "kubernetes"), authority(t, "other")
	leaf, err := a.Issue(pki.Request{CommonName: "leaf", Usage: pki.Client, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	edDER, err := x509.MarshalPKCS8PrivateKey(edKey)
	if err != nil {
		t.Fatal(err)
	}
	noSign, noSignKey := foreign(t, x509.KeyUsageDigitalSignature)
	block := func(label, body string) []byte {
		return pem.EncodeToMemory(&pem.Block{Type: label, Bytes: []byte(body)})
	}
	for name, test := range map[string]struct {
		cert, key []byte
		want      string
	}{
		"nothing": {nil, nil, "reading an authority: the certificate is not PEM: the line -----BEGIN CERTIFICATE----- is missing\n" +
			"the private key is not PEM: the line -----BEGIN EC PRIVATE KEY----- is missing"},
		"swapped": {a.KeyPEM(), a.CertPEM(), "reading an authority: the certificate's PEM is \"EC PRIVATE KEY\", not \"CERTIFICATE\"\n" +
			"the private key's PEM has no private key, only CERTIFICATE"},
		"another's key": {a.CertPEM(), other.KeyPEM(), `reading an authority: the private key is not that of the certificate of "CN=kubernetes"`},
		"a leaf":        {leaf.Cert, leaf.Key, `reading an authority: the certificate of "CN=leaf" is not an authority: its basic constraints lack CA`},
		"may not sign": {noSign, block("RSA PRIVATE KEY", string(x509.MarshalPKCS1PrivateKey(noSignKey))),
			`reading an authority: the certificate of "CN=corporate" is not an authority: its key usage lacks certificate sign`},
		"two certificates": {append(a.CertPEM(), other.CertPEM()...), a.KeyPEM(),
			"reading an authority: the certificate's PEM has a second block, \"CERTIFICATE\", after the first certificate: give one certificate"},
		"broken certificate": {block("CERTIFICATE", "x"), a.KeyPEM(), "reading an authority: parsing the certificate: x509: malformed certificate"},
		"broken key":         {a.CertPEM(), block("EC PRIVATE KEY", "x"), "reading an authority: parsing the EC PRIVATE KEY: x509: failed to parse EC private key: asn1: syntax error: truncated tag or length"},
		"Ed25519":            {a.CertPEM(), block("PRIVATE KEY", string(edDER)), "reading an authority: the private key is a ed25519.PrivateKey: use an ECDSA or RSA key"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := pki.ParseAuthority(test.cert, test.key)
			wantError(t, err, test.want)
		})
	}
}

func wantError(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want: %s", want)
	}
	if got := err.Error(); got != want {
		t.Errorf("error:\n%s\nwant:\n%s", got, want)
	}
}
