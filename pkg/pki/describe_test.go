package pki_test

import (
	"crypto/x509"
	"testing"

	"github.com/mkube/mkube/pkg/pki"
)

func TestDescribeOfOthers(t *testing.T) {
	t.Parallel()
	cert, _ := foreign(t, x509.KeyUsageKeyEncipherment|x509.KeyUsageCRLSign|x509.KeyUsageCertSign)
	info, err := pki.Describe(cert)
	if err != nil {
		t.Fatal(err)
	}
	want := `subject: CN=corporate
issuer:  CN=corporate
CA:      yes
usages:  key encipherment, certificate sign, CRL sign
from:    2026-08-01T12:00:00Z
to:      2027-08-01T12:00:00Z
`
	if got := info.String(); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

func TestDescribeErrors(t *testing.T) {
	t.Parallel()
	a := authority(t, "kubernetes")
	for name, test := range map[string]struct {
		in   []byte
		want string
	}{
		"nothing": {nil, "describing a certificate: the certificate is not PEM: the line -----BEGIN CERTIFICATE----- is missing"},
		"a key":   {a.KeyPEM(), "describing a certificate: the certificate's PEM is \"EC PRIVATE KEY\", not \"CERTIFICATE\""},
	} {
		_, err := pki.Describe(test.in)
		if err == nil {
			t.Errorf("%s: no error", name)
			continue
		}
		wantError(t, err, test.want)
	}
}
