package pki_test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"testing"
	"time"

	"github.com/mkube/mkube/pkg/pki"
)

// TestRenewed checks that a renewed authority has a new period and nothing else that is new, and
// that certificates of either one verify against both.
func TestRenewed(t *testing.T) {
	t.Parallel()
	old := authority(t, "kubernetes")
	later := now.AddDate(12, 0, 0) // it has expired
	renewed, err := old.Renewed(later)
	if err != nil {
		t.Fatal(err)
	}
	info, err := pki.Describe(renewed.CertPEM())
	if err != nil {
		t.Fatal(err)
	}
	want := `subject: CN=kubernetes
issuer:  CN=kubernetes
CA:      yes
usages:  digital signature, certificate sign
from:    2038-08-01T11:55:00Z
to:      2048-07-29T12:00:00Z
`
	if got := info.String(); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
	if !bytes.Equal(renewed.KeyPEM(), old.KeyPEM()) {
		t.Error("it has another key")
	}
	a, b := parse(t, old.CertPEM()), parse(t, renewed.CertPEM())
	if !bytes.Equal(a.SubjectKeyId, b.SubjectKeyId) || !bytes.Equal(a.RawSubject, b.RawSubject) || a.SerialNumber.Cmp(b.SerialNumber) == 0 {
		t.Errorf("key ID %x, subject %x and number %s; before: %x, %x and %s", b.SubjectKeyId, b.RawSubject, b.SerialNumber, a.SubjectKeyId, a.RawSubject, a.SerialNumber)
	}
	signedLater, err := renewed.Issue(pki.Request{CommonName: "c", Usage: pki.Client, Now: later})
	if err != nil {
		t.Fatal(err)
	}
	verify(t, renewed, signedLater, x509.ExtKeyUsageClientAuth, later)
	signedBefore, err := old.Issue(pki.Request{CommonName: "c", Usage: pki.Client, Now: now, Validity: 9 * 365 * 24 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	soon := now.AddDate(8, 0, 0)
	if renewed, err = old.Renewed(soon); err != nil {
		t.Fatal(err)
	}
	verify(t, renewed, signedBefore, x509.ExtKeyUsageClientAuth, soon)
	signedSoon, err := renewed.Issue(pki.Request{CommonName: "c", Usage: pki.Client, Now: soon})
	if err != nil {
		t.Fatal(err)
	}
	verify(t, old, signedSoon, x509.ExtKeyUsageClientAuth, soon)
}

// TestRenewedOfOthers checks authorities of other tools: the subject stays as it is encoded, and
// an authority below another one is refused.
func TestRenewedOfOthers(t *testing.T) {
	t.Parallel()
	cert, key := foreign(t, x509.KeyUsageCertSign)
	a, err := pki.ParseAuthority(cert, pemOf(key))
	if err != nil {
		t.Fatal(err)
	}
	renewed, err := a.Renewed(now.AddDate(2, 0, 0))
	if err != nil {
		t.Fatal(err)
	}
	if got := parse(t, renewed.CertPEM()); got.KeyUsage != x509.KeyUsageCertSign || got.Subject.String() != "CN=corporate" || !got.IsCA {
		t.Errorf("key usage %d, subject %s", got.KeyUsage, got.Subject)
	}

	below, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "below"},
		NotBefore: now, NotAfter: now.AddDate(1, 0, 0), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parse(t, cert), below.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	a, err = pki.ParseAuthority(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pemOf(below))
	if err != nil {
		t.Fatal(err)
	}
	_, err = a.Renewed(now)
	wantError(t, err, `renewing the authority "CN=below": "CN=corporate" has signed it: renew it there`)
}

func pemOf(key *rsa.PrivateKey) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
}

func TestOutlives(t *testing.T) {
	t.Parallel()
	a := authority(t, "kubernetes") // until 2036-07-29T12:00:00Z
	for at, want := range map[string]bool{
		"2026-08-01T11:54:59Z": false, // it is not valid yet
		"2026-08-01T11:55:00Z": true,
		"2035-07-30T12:00:00Z": true, // 365 days before its end
		"2035-07-30T12:00:01Z": false,
		"2036-07-29T12:00:01Z": false,
	} {
		when, err := time.Parse(time.RFC3339, at)
		if err != nil {
			t.Fatal(err)
		}
		if got := a.Outlives(when); got != want {
			t.Errorf("at %s: %t", at, got)
		}
	}
}
