package provider_test

import (
	"encoding/base64"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/mkube/mkube/pkg/pki"
	"github.com/mkube/mkube/pkg/provider"
)

func TestRedact(t *testing.T) {
	t.Parallel()
	authority, err := pki.NewAuthority("x", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	key, cert := string(authority.KeyPEM()), string(authority.CertPEM())
	encode := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	const token = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJrdWJlcm5ldGVzIn0.c2lnbmF0dXJl"
	for name, test := range map[string]struct{ in, want string }{
		"nothing":                    {"", ""},
		"a log":                      {"I1 a.go:1] \"x\" y=\"z\"\nno newline", "I1 a.go:1] \"x\" y=\"z\"\nno newline"},
		"a key":                      {"a\n" + key + "b\n", "a\nREDACTED\nb\n"},
		"a key without an end":       {key[:40], "REDACTED\n"},
		"keys":                       {key + key + "b\n", "REDACTED\nREDACTED\nb\n"},
		"a key in the log of a pod":  {"stdout F " + strings.ReplaceAll(strings.TrimSpace(key), "\n", "\nstdout F ") + "\nstdout F b\n", "stdout F REDACTED\nstdout F b\n"},
		"a key in JSON":              {`{"a":"` + strings.ReplaceAll(key, "\n", `\n`) + `","b":1}` + "\n", `{"a":"REDACTED\n","b":1}` + "\n"},
		"a key of openssl":           {"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "REDACTED\n"},
		"the key of heartbeats":      {"-----BEGIN HEARTBEAT KEY-----\nAAAA\n-----END HEARTBEAT KEY-----\n", "REDACTED\n"},
		"a certificate":              {cert, cert},
		"a public key":               {"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"},
		"a kubeconfig":               {"  client-certificate-data: " + encode(cert) + "\n  client-key-data: " + encode(key) + "\n", "  client-certificate-data: " + encode(cert) + "\n  client-key-data: REDACTED\n"},
		"a Secret":                   {`data: {"tls.key": "` + encode(key) + `"}`, `data: {"tls.key": "REDACTED"}`},
		"half of a key in base64":    {"x: " + encode(key)[:101], "x: REDACTED"},
		"a token":                    {"got " + token + ", sent", "got REDACTED, sent"},
		"a header":                   {"Authorization: Bearer abc.def\n", "Authorization: Bearer REDACTED\n"},
		"a flag":                     {"running x --token=abc --password 'x y' --v=4\n", "running x --token=REDACTED --password REDACTED --v=4\n"},
		"other flags":                {"--token-file=/a --tokens=1\n", "--token-file=/a --tokens=1\n"},
		"a proxy":                    {"HTTPS_PROXY=http://me:pass@proxy:3128 x", "HTTPS_PROXY=http://me:REDACTED@proxy:3128 x"},
		"a URL without a password":   {"https://me@host:80/a:b@c and https://a:1/x@y", "https://me@host:80/a:b@c and https://a:1/x@y"},
		"not the rest of a long log": {"-----BEGIN PRIVATE KEY-----\n" + strings.Repeat("x\n", 201), "REDACTED\nx\n"},
	} {
		if got := string(provider.Redact([]byte(test.in))); got != test.want {
			t.Errorf("%s: Redact = %q; want %q", name, got, test.want)
		}
		var out strings.Builder
		w := provider.NewRedactor(&out)
		for i := range len(test.in) { // as a stream may be cut anywhere
			if _, err := io.WriteString(w, test.in[i:i+1]); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil || out.String() != test.want {
			t.Errorf("%s, in single bytes: the result is %q, %v; want %q", name, out.String(), err, test.want)
		}
	}
}

// TestRedactorPassesErrorsOn checks that a failed write is not lost.
func TestRedactorPassesErrorsOn(t *testing.T) {
	t.Parallel()
	r, broken := io.Pipe()
	r.Close()
	w := provider.NewRedactor(broken)
	if _, err := io.WriteString(w, "a\nb"); err == nil {
		t.Error("Write returns no error")
	}
	if err := w.Close(); err == nil {
		t.Error("Close returns no error")
	}
}
