package cli

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/mkube/mkube/pkg/learn/inspect"
	"github.com/mkube/mkube/pkg/pki"
	"github.com/mkube/mkube/pkg/provider"
)

// withCertificates returns a world with a cluster whose control plane has an authority and a
// certificate. Its worker does not run.
func withCertificates(t *testing.T) *world {
	t.Helper()
	now := time.Date(2026, 8, 1, 12, 0, 0, 0, time.UTC)
	ca, err := pki.NewAuthority("kubernetes", now)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := ca.Issue(pki.Request{CommonName: "kube-apiserver", DNSNames: []string{"kubernetes"}, Usage: pki.Server, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, "mkube")
	w.now = func() time.Time { return now }
	nodes := w.fake.clusters["mkube"]
	nodes[0].(*fakeNode).script["sh -c cd /"] = func(cmd provider.Cmd) error {
		return provider.Archive(cmd.Stdout, []provider.File{
			{Path: "/etc/kubernetes/pki/ca.crt", Data: ca.CertPEM()}, {Path: "/etc/kubernetes/pki/apiserver.crt", Data: pair.Cert},
		})
	}
	nodes[1].(*fakeNode).script["sh -c cd /"] = func(provider.Cmd) error { return errors.New("node mkube-worker is not running") }
	return w
}

func TestPKI(t *testing.T) {
	t.Parallel()
	w := withCertificates(t)
	w.want(t, w.run(t, "pki"), OK, `kubernetes   authority, expires in 10 years (2036-07-29)
│   signs who may speak to, and as, the API server and the kubelets
│   in /etc/kubernetes/pki/ca.crt
└── kube-apiserver   server, expires in 365 days (2027-08-01)
        kube-apiserver proves to all its clients who it is
        for kubernetes
        in /etc/kubernetes/pki/apiserver.crt
        WARNING: /etc/kubernetes/pki/apiserver.crt on mkube-control-plane has no private key next to it
`, `Warning: reading the certificates of mkube-worker: node mkube-worker is not running
Warnings: 1. Each one names a problem and its file.
`)
}

func TestPKIJSON(t *testing.T) {
	t.Parallel()
	w := withCertificates(t)
	if code := w.run(t, "pki -o json"); code != OK {
		t.Fatalf("exit code %d: %s", code, w.err.String())
	}
	var got inspect.PKI
	decoder := json.NewDecoder(strings.NewReader(w.out.String()))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&got); err != nil {
		t.Fatal(err)
	}
	if len(got.Authorities) != 1 || len(got.Authorities[0].Signed) != 1 || got.Authorities[0].Signed[0].Names[0] != "kubernetes" {
		t.Errorf("got %s", w.out.String())
	}
}
