package pki_test

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mkube/mkube/pkg/pki"
)

func roots(a *pki.Authority) *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(a.CertPEM())
	return pool
}

func verifyErr(t *testing.T, a *pki.Authority, pair pki.KeyPair, usage x509.ExtKeyUsage, at time.Time) error {
	t.Helper()
	_, err := parse(t, pair.Cert).Verify(x509.VerifyOptions{
		Roots: roots(a), CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{usage},
	})
	return err
}

func verify(t *testing.T, a *pki.Authority, pair pki.KeyPair, usage x509.ExtKeyUsage, at time.Time) {
	t.Helper()
	if err := verifyErr(t, a, pair, usage, at); err != nil {
		t.Errorf("verifying: %v", err)
	}
}

func issue(t *testing.T, a *pki.Authority, r pki.Request) pki.KeyPair {
	t.Helper()
	pair, err := a.Issue(r)
	if err != nil {
		t.Fatal(err)
	}
	return pair
}

func TestIssue(t *testing.T) {
	t.Parallel()
	a := authority(t, "kubernetes")
	for name, test := range map[string]struct {
		request pki.Request
		want    string
	}{
		"an administrator": {
			pki.Request{CommonName: "kubernetes-admin", Organizations: []string{"system:masters"}, Usage: pki.Client, Now: now},
			`subject: CN=kubernetes-admin,O=system:masters
issuer:  CN=kubernetes
usages:  digital signature, client auth
from:    2026-08-01T11:55:00Z
to:      2027-08-01T12:00:00Z
`},
		"kube-apiserver": {
			pki.Request{
				CommonName: "kube-apiserver",
				DNSNames:   []string{"kubernetes", "kubernetes.default", "kubernetes"},
				IPs:        []netip.Addr{netip.MustParseAddr("10.96.0.1"), netip.MustParseAddr("::ffff:10.96.0.1"), netip.MustParseAddr("fd00::1%eth0")},
				Usage:      pki.Server, Now: now,
			},
			`subject: CN=kube-apiserver
issuer:  CN=kubernetes
usages:  digital signature, server auth
DNS:     kubernetes, kubernetes.default
IP:      10.96.0.1, fd00::1
from:    2026-08-01T11:55:00Z
to:      2027-08-01T12:00:00Z
`},
		"a peer for a day, elsewhere on Earth": {
			pki.Request{
				CommonName: "etcd", IPs: []netip.Addr{netip.MustParseAddr("127.0.0.1")}, Usage: pki.Peer,
				Now: now.In(time.FixedZone("", 3600)), Validity: 24 * time.Hour,
			},
			`subject: CN=etcd
issuer:  CN=kubernetes
usages:  digital signature, server auth, client auth
IP:      127.0.0.1
from:    2026-08-01T11:55:00Z
to:      2026-08-02T12:00:00Z
`},
		"never longer than its authority": {
			pki.Request{CommonName: "c", Usage: pki.Client, Now: now.Add(-time.Hour), Validity: 100 * 365 * 24 * time.Hour},
			`subject: CN=c
issuer:  CN=kubernetes
usages:  digital signature, client auth
from:    2026-08-01T11:55:00Z
to:      2036-07-29T12:00:00Z
`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			info, err := pki.Describe(issue(t, a, test.request).Cert)
			if err != nil {
				t.Fatal(err)
			}
			if got := info.String(); got != test.want {
				t.Errorf("got:\n%s\nwant:\n%s", got, test.want)
			}
		})
	}
}

func TestIssueErrors(t *testing.T) {
	t.Parallel()
	a := authority(t, "kubernetes")
	for name, test := range map[string]struct {
		request pki.Request
		want    []string
	}{
		"nothing said": {
			pki.Request{Now: now},
			[]string{"its common name is empty", "its usage is none of server, client and peer"}},
		"a server without names": {
			pki.Request{CommonName: "s", Usage: pki.Server, Now: now},
			[]string{"a server needs a DNS name or an IP address to be verified by"}},
		"a peer without names": {
			pki.Request{CommonName: "p", Usage: pki.Peer, Now: now},
			[]string{"a server needs a DNS name or an IP address to be verified by"}},
		"empty parts": {
			pki.Request{CommonName: "s", Usage: pki.Server, DNSNames: []string{""}, IPs: []netip.Addr{{}}, Organizations: []string{""}, Validity: -1, Now: now},
			[]string{"one of its DNS names is empty", "one of its IP addresses is not set", "one of its organizations is empty", "its validity is negative: -1ns"}},
		"an unknown usage": {
			pki.Request{CommonName: "s", Usage: 4, Now: now},
			[]string{"its usage is none of server, client and peer"}},
		"after the authority": {
			pki.Request{CommonName: "s", Usage: pki.Client, Now: now.AddDate(11, 0, 0)},
			[]string{`the authority "CN=kubernetes" expired on 2036-07-29T12:00:00Z`}},
		"before the authority": {
			pki.Request{CommonName: "s", Usage: pki.Client, Now: now.AddDate(-2, 0, 0)},
			[]string{`the authority "CN=kubernetes" is not valid until 2026-08-01T11:55:00Z`}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pair, err := a.Issue(test.request)
			wantError(t, err, fmt.Sprintf("issuing the certificate of %q: ", test.request.CommonName)+strings.Join(test.want, "\n"))
			if pair.Cert != nil || pair.Key != nil {
				t.Error("a pair beside the error")
			}
		})
	}
}

func TestVerifyUsage(t *testing.T) {
	t.Parallel()
	a := authority(t, "kubernetes")
	const server, client = x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth
	for _, test := range []struct {
		usage    pki.Usage
		ok, fail []x509.ExtKeyUsage
	}{
		{pki.Server, []x509.ExtKeyUsage{server}, []x509.ExtKeyUsage{client}},
		{pki.Client, []x509.ExtKeyUsage{client}, []x509.ExtKeyUsage{server}},
		{pki.Peer, []x509.ExtKeyUsage{server, client}, nil},
	} {
		pair := issue(t, a, pki.Request{CommonName: "c", DNSNames: []string{"localhost"}, Usage: test.usage, Now: now})
		for _, usage := range test.ok {
			verify(t, a, pair, usage, now)
		}
		for _, usage := range test.fail {
			if verifyErr(t, a, pair, usage, now) == nil {
				t.Errorf("usage %d passes for %d", test.usage, usage)
			}
		}
	}
}

func TestVerifyTime(t *testing.T) {
	t.Parallel()
	a := authority(t, "kubernetes")
	pair := issue(t, a, pki.Request{CommonName: "c", Usage: pki.Client, Now: now})
	for _, test := range []struct {
		name string
		at   time.Time
		ok   bool
	}{
		{"on a clock four minutes behind", now.Add(-4 * time.Minute), true},
		{"on a clock six minutes behind", now.Add(-6 * time.Minute), false},
		{"on its last day", now.AddDate(1, 0, 0).Add(-time.Hour), true},
		{"the day after", now.AddDate(1, 0, 1), false},
	} {
		if err := verifyErr(t, a, pair, x509.ExtKeyUsageClientAuth, test.at); (err == nil) != test.ok {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}

func TestVerifyNames(t *testing.T) {
	t.Parallel()
	cert := parse(t, issue(t, authority(t, "kubernetes"), pki.Request{
		CommonName: "kube-apiserver", DNSNames: []string{"kubernetes.default.svc"},
		IPs: []netip.Addr{netip.MustParseAddr("10.96.0.1"), netip.MustParseAddr("fd00::1")}, Usage: pki.Server, Now: now,
	}).Cert)
	for host, ok := range map[string]bool{
		"kubernetes.default.svc": true, "10.96.0.1": true, "fd00::1": true,
		"kube-apiserver": false, "10.96.0.2": false,
	} {
		if err := cert.VerifyHostname(host); (err == nil) != ok {
			t.Errorf("%s: %v", host, err)
		}
	}
}

func TestIssueNamesItsAuthority(t *testing.T) {
	t.Parallel()
	a, other := authority(t, "kubernetes"), authority(t, "kubernetes")
	pair := issue(t, a, pki.Request{CommonName: "c", Usage: pki.Client, Now: now})
	if got, want := parse(t, pair.Cert).AuthorityKeyId, parse(t, a.CertPEM()).SubjectKeyId; string(got) != string(want) {
		t.Errorf("authority key id %x, want %x", got, want)
	}
	if verifyErr(t, other, pair, x509.ExtKeyUsageClientAuth, now) == nil {
		t.Error("another authority of the same name verifies it")
	}
}

func TestIssueDefaultsToTheClock(t *testing.T) {
	t.Parallel()
	a, err := pki.NewAuthority("kubernetes", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	verify(t, a, issue(t, a, pki.Request{CommonName: "c", Usage: pki.Client}), x509.ExtKeyUsageClientAuth, time.Now())
}

func TestIssueFromManyGoroutines(t *testing.T) {
	t.Parallel()
	a := authority(t, "kubernetes")
	pairs := make([]pki.KeyPair, 20)
	var wg sync.WaitGroup
	for i := range pairs {
		wg.Go(func() {
			pairs[i], _ = a.Issue(pki.Request{CommonName: "c", Usage: pki.Client, Now: now}) // parse fails for an empty pair
		})
	}
	wg.Wait()
	serials, keys := map[string]bool{}, map[string]bool{}
	for _, pair := range pairs {
		serials[parse(t, pair.Cert).SerialNumber.String()] = true
		keys[string(pair.Key)] = true
	}
	if len(serials) != len(pairs) || len(keys) != len(pairs) {
		t.Errorf("%d serials and %d keys of %d certificates", len(serials), len(keys), len(pairs))
	}
}

// TestHandshake checks the purpose of the package: two sides that trust one authority verify each
// other.
func TestHandshake(t *testing.T) {
	t.Parallel()
	a, other := authority(t, "kubernetes"), authority(t, "other")
	server := issue(t, a, pki.Request{CommonName: "s", DNSNames: []string{"kubernetes"}, Usage: pki.Server, Now: now})
	client := pki.Request{CommonName: "kubernetes-admin", Organizations: []string{"system:masters"}, Usage: pki.Client, Now: now}
	if got, err := handshake(t, a, server, issue(t, a, client)); err != nil || got != "kubernetes-admin [system:masters]" {
		t.Errorf("server saw %q, %v", got, err)
	}
	if _, err := handshake(t, a, server, issue(t, other, client)); err == nil {
		t.Error("the server let in a client of another authority")
	}
	if _, err := handshake(t, a, server, server); err == nil {
		t.Error("the server let in a client with a server's certificate")
	}
}

// handshake returns the name and groups of the client as the server sees them.
func handshake(t *testing.T, a *pki.Authority, server, client pki.KeyPair) (string, error) {
	t.Helper()
	config := func(pair pki.KeyPair) *tls.Config {
		cert, err := tls.X509KeyPair(pair.Cert, pair.Key)
		if err != nil {
			t.Fatal(err)
		}
		return &tls.Config{
			Certificates: []tls.Certificate{cert}, RootCAs: roots(a), ClientCAs: roots(a), ServerName: "kubernetes",
			ClientAuth: tls.RequireAndVerifyClientCert, Time: func() time.Time { return now },
		}
	}
	near, far := net.Pipe()
	go func() {
		defer near.Close()
		conn := tls.Client(near, config(client))
		if conn.Handshake() == nil {
			io.Copy(io.Discard, conn)
		}
	}()
	defer far.Close()
	conn := tls.Server(far, config(server))
	if err := conn.Handshake(); err != nil {
		return "", err
	}
	subject := conn.ConnectionState().PeerCertificates[0].Subject
	return fmt.Sprintf("%s %v", subject.CommonName, slices.Sorted(slices.Values(subject.Organization))), nil
}
