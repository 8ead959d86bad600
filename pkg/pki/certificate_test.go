package pki_test

import (
	"slices"
	"testing"

	"github.com/mkube/mkube/pkg/pki"
)

func TestCertificate(t *testing.T) {
	t.Parallel()
	a, other := authority(t, "kubernetes"), authority(t, "kubernetes")
	pair := issue(t, a, pki.Request{CommonName: "admin", Organizations: []string{"masters"}, Usage: pki.Client, Now: now})
	list, err := pki.ParseCertificates(slices.Concat(pair.Key, pair.Cert, a.CertPEM()))
	if err != nil || len(list) != 2 {
		t.Fatalf("there are %d certificates, %v", len(list), err)
	}
	others, err := pki.ParseCertificates(other.CertPEM())
	if err != nil {
		t.Fatal(err)
	}
	leaf, ca := list[0], list[1]
	if leaf.CommonName() != "admin" || !slices.Equal(leaf.Organizations(), []string{"masters"}) || leaf.Info().Issuer != "CN=kubernetes" {
		t.Errorf("it is %s %v of %s", leaf.CommonName(), leaf.Organizations(), leaf.Info().Issuer)
	}
	for what, got := range map[string][2]bool{
		"it is a client's":               {leaf.Is(pki.Client), true},
		"it is a server's":               {leaf.Is(pki.Server), false},
		"it is both's":                   {leaf.Is(pki.Peer), false},
		"its authority signed it":        {leaf.SignedBy(ca), true},
		"its authority's namesake did":   {leaf.SignedBy(others[0]), false},
		"it signed itself":               {leaf.SignedBy(leaf), false},
		"its authority signed itself":    {ca.SignedBy(ca), true},
		"it is the same as itself":       {leaf.Same(list[0]), true},
		"its authority and the namesake": {ca.Same(others[0]), false},
		"its key is its key":             {leaf.HasKey(pair.Key) == nil, true},
		"its authority's key is":         {leaf.HasKey(a.KeyPEM()) == nil, false},
		"no key is":                      {leaf.HasKey(nil) == nil, false},
		"its authority has its own key":  {ca.HasKey(a.KeyPEM()) == nil, true},
	} {
		if got[0] != got[1] {
			t.Errorf("%s: %t", what, got[0])
		}
	}
}

func TestParseCertificatesErrors(t *testing.T) {
	t.Parallel()
	a := authority(t, "kubernetes")
	for name, data := range map[string][]byte{
		"nothing": nil, "only a key": a.KeyPEM(), "half of one": []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
	} {
		if list, err := pki.ParseCertificates(data); err == nil {
			t.Errorf("%s has %d certificates", name, len(list))
		}
	}
}

// TestParsePublicKey checks that both keys for service account tokens have the same public key.
func TestParsePublicKey(t *testing.T) {
	t.Parallel()
	private, public, err := pki.NewServiceAccountKey()
	if err != nil {
		t.Fatal(err)
	}
	first, err := pki.ParsePublicKey(private)
	if err != nil || first.Algorithm != "ECDSA P-256" || len(first.Digest) != 64 {
		t.Errorf("the private key's is %+v, %v", first, err)
	}
	if second, err := pki.ParsePublicKey(public); err != nil || second != first {
		t.Errorf("the public key is %+v, %v; want %+v", second, err, first)
	}
	if _, err := pki.ParsePublicKey([]byte("no key")); err == nil {
		t.Error("no key is one")
	}
}
