//go:build e2e

package e2e

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"

	"github.com/mkube/mkube/pkg/pki"
)

// issuer is an OpenID Connect provider on this host, which nodes reach.
type issuer struct {
	url string
	// ca is the authority of its certificate, in PEM.
	ca  string
	key *rsa.PrivateKey
}

// runIssuer runs an issuer until the end of the test, at the gateway of Docker's default network.
func runIssuer(t *testing.T) issuer {
	t.Helper()
	address := bridgeAddress(t)
	host := address.String()
	authority, err := pki.NewAuthority("issuer", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	pair, err := authority.Issue(pki.Request{CommonName: "issuer", IPs: []netip.Addr{address}, Usage: pki.Server})
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := tls.X509KeyPair(pair.Cert, pair.Key)
	if err != nil {
		t.Fatal(err)
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		t.Fatal(err)
	}
	i := issuer{url: "https://" + listener.Addr().String(), ca: string(authority.CertPEM()), key: key}
	server := &httptest.Server{Listener: listener, Config: &http.Server{Handler: i.documents(t)}, TLS: &tls.Config{Certificates: []tls.Certificate{certificate}}}
	server.StartTLS()
	t.Cleanup(server.Close)
	return i
}

// documents serves what OpenID Connect Discovery requires: the issuer's configuration and keys.
func (i issuer) documents(t *testing.T) http.Handler {
	mux := http.NewServeMux()
	serve := func(path string, document any) {
		data, err := json.Marshal(document)
		if err != nil {
			t.Fatal(err)
		}
		mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Write(data)
		})
	}
	serve("/.well-known/openid-configuration", map[string]any{"issuer": i.url, "jwks_uri": i.url + "/keys"})
	serve("/keys", map[string]any{"keys": []any{map[string]string{
		"kty": "RSA", "kid": "one", "alg": "RS256", "use": "sig",
		"n": encode(i.key.N.Bytes()), "e": encode(big.NewInt(int64(i.key.E)).Bytes()),
	}}})
	return mux
}

func encode(data []byte) string { return base64.RawURLEncoding.EncodeToString(data) }

// token returns a token of the issuer with these claims, for ten minutes.
func (i issuer) token(t *testing.T, claims map[string]any) string {
	t.Helper()
	claims["iss"], claims["exp"] = i.url, time.Now().Add(10*time.Minute).Unix()
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	signed := encode([]byte(`{"alg":"RS256","kid":"one"}`)) + "." + encode(payload)
	digest := sha256.Sum256([]byte(signed))
	signature, err := rsa.SignPKCS1v15(rand.Reader, i.key, crypto.SHA256, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	return signed + "." + encode(signature)
}
