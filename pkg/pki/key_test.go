package pki_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"testing"

	"github.com/mkube/mkube/pkg/pki"
)

func TestNewServiceAccountKey(t *testing.T) {
	t.Parallel()
	private, public, err := pki.NewServiceAccountKey()
	if err != nil {
		t.Fatal(err)
	}
	key, err := x509.ParseECPrivateKey(der(t, private, "EC PRIVATE KEY"))
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParsePKIXPublicKey(der(t, public, "PUBLIC KEY"))
	if err != nil {
		t.Fatal(err)
	}
	verifier, ok := parsed.(*ecdsa.PublicKey)
	if !ok || verifier.Curve != elliptic.P256() {
		t.Fatalf("public key is %T, want P-256, which is ES256's", parsed)
	}
	digest := sha256.Sum256([]byte("token"))
	signature, err := ecdsa.SignASN1(rand.Reader, key, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	if !ecdsa.VerifyASN1(verifier, digest[:], signature) {
		t.Error("the public key does not verify what the private one signed")
	}
}

func TestServiceAccountKeysDiffer(t *testing.T) {
	t.Parallel()
	private, public, err := pki.NewServiceAccountKey()
	if err != nil {
		t.Fatal(err)
	}
	private2, public2, err := pki.NewServiceAccountKey()
	if err != nil {
		t.Fatal(err)
	}
	if string(private) == string(private2) || string(public) == string(public2) {
		t.Error("the same key twice")
	}
}

func der(t *testing.T, data []byte, label string) []byte {
	t.Helper()
	block, rest := pem.Decode(data)
	if block == nil || block.Type != label || len(rest) != 0 {
		t.Fatalf("want one %s in PEM, got:\n%s", label, data)
	}
	return block.Bytes
}
